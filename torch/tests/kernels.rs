//! The kernels against libtorch's own operations in f64: values and gradients, over sizes, channels, strides and dilations.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use tch::{Device, Kind, Tensor};

/// Height, width and channels: vectors of each width, rows shorter than a kernel, odd sides.
const SIZES: [[i64; 3]; 7] = [[8, 8, 16], [7, 9, 36], [1, 1, 4], [2, 3, 5], [12, 5, 8], [4, 16, 1], [9, 9, 30]];

/// An operation of an image and weights.
type Operation<'a> = &'a dyn Fn(&Tensor, &[Tensor]) -> Tensor;

fn last(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

fn random(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Double, Device::Cpu))
}

/// The result and the gradients by the image and the weights, for one gradient of the result.
fn results(operation: Operation, kind: Kind, image: &Tensor, weights: &[Tensor], gradient: &Tensor) -> Vec<Tensor> {
    let input = |tensor: &Tensor| tensor.to_kind(kind).set_requires_grad(true);
    let image = last(&image.to_kind(kind)).set_requires_grad(true);
    let weights: Vec<Tensor> = weights.iter().map(input).collect();
    let out = operation(&image, &weights);
    let inputs: Vec<&Tensor> = [&image].into_iter().chain(&weights).collect();
    let sum = (&out * last(&gradient.to_kind(kind))).sum(kind);
    let mut all = Tensor::run_backward(&[sum], &inputs, false, false);
    all.insert(0, out.detach());
    all.iter().map(|tensor| tensor.to_kind(Kind::Double)).collect()
}

/// Holds `ours` against `theirs` in f64, in both types.
fn compare(what: &str, ours: Operation, theirs: Operation, image: &Tensor, weights: &[Tensor]) {
    let gradient = random(&theirs(image, weights).size());
    let expected = results(theirs, Kind::Double, image, weights, &gradient);
    for (kind, tolerance) in [(Kind::Double, 1e-11), (Kind::Float, 1e-5)] {
        for (place, (found, expected)) in results(ours, kind, image, weights, &gradient).iter().zip(&expected).enumerate() {
            assert_eq!(found.size(), expected.size(), "{what}");
            let scale = expected.abs().max().double_value(&[]).max(1.0);
            let worst = (found - expected).abs().max().double_value(&[]);
            assert!(worst <= tolerance * scale, "{what}, {kind:?}, output {place}: off by {worst} of {scale}");
        }
    }
}

#[test]
fn depthwise_convolutions_of_what_is_positive() {
    tch::manual_seed(1);
    for [height, width, channels] in SIZES {
        for (kernel, stride, dilation) in [3, 5].into_iter().flat_map(|k| [(k, 1, 1), (k, 1, 2), (k, 2, 1), (k, 2, 2)]) {
            let weights = [random(&[channels, 1, kernel, kernel])];
            let padding = dilation * (kernel / 2);
            let theirs = |x: &Tensor, weights: &[Tensor]| {
                x.relu().conv2d(&weights[0], None::<&Tensor>, [stride; 2], [padding; 2], [dilation; 2], channels)
            };
            let ours = |x: &Tensor, weights: &[Tensor]| nas_torch::relu_depthwise(x, &weights[0], stride, dilation);
            let what = format!("{kernel}x{kernel} stride {stride} dilation {dilation} on {height}x{width}x{channels}");
            compare(&what, &ours, &theirs, &random(&[3, channels, height, width]), &weights);
        }
    }
}

#[test]
fn pools() {
    tch::manual_seed(2);
    for [height, width, channels] in SIZES {
        for stride in [1, 2] {
            let image = random(&[3, channels, height, width]);
            let what = format!("stride {stride} on {height}x{width}x{channels}");
            let max = |x: &Tensor, _: &[Tensor]| x.max_pool2d([3, 3], [stride; 2], [1, 1], [1, 1], false);
            compare(&format!("max, {what}"), &|x, _| nas_torch::max_pool(x, stride), &max, &image, &[]);
            // Where several are the greatest, the first has the gradient.
            let whole = (&image * 2.0).round();
            compare(&format!("max of equals, {what}"), &|x, _| nas_torch::max_pool(x, stride), &max, &whole, &[]);
            let mean = |x: &Tensor, _: &[Tensor]| x.avg_pool2d([3, 3], [stride; 2], [1, 1], false, false, None);
            compare(&format!("mean, {what}"), &|x, _| nas_torch::mean_pool(x, stride), &mean, &image, &[]);
        }
    }
}

#[test]
fn batch_norm_and_its_running_statistics() {
    tch::manual_seed(3);
    for [height, width, channels] in SIZES {
        // Far from 0, where sums of squares would lose their digits.
        let image = random(&[40, channels, height, width]) * 0.5 + 100.0;
        let weights = [random(&[channels]), random(&[channels])];
        let running = |kind| [Tensor::zeros([channels], (kind, Device::Cpu)), Tensor::ones([channels], (kind, Device::Cpu))];
        let theirs = |x: &Tensor, weights: &[Tensor]| {
            let [mean, var] = running(x.kind());
            x.batch_norm(Some(&weights[0]), Some(&weights[1]), Some(&mean), Some(&var), true, 0.1, 1e-5, true)
        };
        let ours = |x: &Tensor, weights: &[Tensor]| {
            let [mean, var] = running(x.kind());
            nas_torch::batch_norm(x, [&weights[0], &weights[1]], [&mean, &var], None, 0.1, 1e-5)
        };
        compare(&format!("{height}x{width}x{channels}"), &ours, &theirs, &(&image - 100.0), &weights);
        // f32 has 24 bits: what is 100 off is known to 1e-5.
        let gradient = random(&image.size());
        let far = |operation| results(operation, Kind::Double, &image, &weights, &gradient);
        for (found, expected) in far(&ours).iter().zip(far(&theirs)) {
            assert!((found - expected).abs().max().double_value(&[]) < 1e-8);
        }
        let [mean, var] = running(Kind::Double);
        let [expected_mean, expected_var] = running(Kind::Double);
        let one = Tensor::ones([channels], (Kind::Double, Device::Cpu));
        let _ = nas_torch::batch_norm(&last(&image), [&one, &one], [&mean, &var], None, 0.1, 1e-5);
        let _ = image.batch_norm(Some(&one), Some(&one), Some(&expected_mean), Some(&expected_var), true, 0.1, 1e-5, true);
        assert!((mean - expected_mean).abs().max().double_value(&[]) < 1e-10);
        assert!((var - expected_var).abs().max().double_value(&[]) < 1e-10);
    }
}

/// The channels of a wider image, as the gradient of a concatenation is one.
#[test]
fn gradients_may_be_a_part_of_wider_images_and_results_scaled_image_by_image() {
    tch::manual_seed(4);
    for [height, width, channels] in SIZES {
        let image = random(&[5, channels, height, width]);
        let weights = [random(&[channels]), random(&[channels]), random(&[5])];
        let statistics = |kind| [(); 2].map(|()| Tensor::ones([channels], (kind, Device::Cpu)));
        let wide = |x: &Tensor, out: &Tensor| last(&Tensor::cat(&[x * 1.0, out * 1.0, x * 1.0], 1));
        let theirs = |x: &Tensor, weights: &[Tensor]| {
            let [mean, var] = statistics(x.kind());
            let out = x.batch_norm(Some(&weights[0]), Some(&weights[1]), Some(&mean), Some(&var), true, 0.1, 1e-5, true);
            wide(x, &(out * weights[2].detach().reshape([-1, 1, 1, 1]))) * weights[2].sum(x.kind())
        };
        let ours = |x: &Tensor, weights: &[Tensor]| {
            let [mean, var] = statistics(x.kind());
            let scale = weights[2].detach();
            let out = nas_torch::batch_norm(x, [&weights[0], &weights[1]], [&mean, &var], Some(&scale), 0.1, 1e-5);
            wide(x, &out) * weights[2].sum(x.kind())
        };
        compare(&format!("{height}x{width}x{channels}"), &ours, &theirs, &image, &weights);
    }
}

#[test]
fn what_is_not_a_number_is_handed_on() {
    let image = last(&Tensor::full([2, 16, 6, 6], f64::NAN, (Kind::Float, Device::Cpu)));
    let weight = Tensor::ones([16, 1, 3, 3], (Kind::Float, Device::Cpu));
    let channel = || Tensor::ones([16], (Kind::Float, Device::Cpu));
    let outs = [
        nas_torch::relu_depthwise(&image, &weight, 1, 1),
        nas_torch::max_pool(&image, 1),
        nas_torch::mean_pool(&image, 2),
        nas_torch::batch_norm(&image, [&channel(), &channel()], [&channel(), &channel()], None, 0.1, 1e-5),
    ];
    for out in outs {
        assert!(out.isnan().all().int64_value(&[]) == 1);
    }
}

#[test]
fn what_the_kernels_do_not_take_goes_to_libtorch() {
    let image = Tensor::randn([2, 6, 9, 9], (Kind::Float, Device::Cpu));
    let weight = Tensor::randn([6, 1, 7, 7], (Kind::Float, Device::Cpu));
    assert_eq!(nas_torch::relu_depthwise(&last(&image), &weight, 3, 1).size(), [2, 6, 3, 3]);
    let pooled = nas_torch::max_pool(&image, 1);
    assert!(pooled.is_contiguous() && pooled.equal(&nas_torch::max_pool(&last(&image), 1)));
}

#[test]
#[should_panic(expected = "more than 1 value for each channel")]
fn a_channel_with_one_value_has_no_variance() {
    let channel = || Tensor::ones([4], (Kind::Float, Device::Cpu));
    let image = last(&Tensor::randn([1, 4, 1, 1], (Kind::Float, Device::Cpu)));
    let _ = nas_torch::batch_norm(&image, [&channel(), &channel()], [&channel(), &channel()], None, 0.1, 1e-5);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let image = last(&Tensor::randn([37, 24, 9, 9], (Kind::Float, Device::Cpu)));
    let weight = Tensor::randn([24, 1, 5, 5], (Kind::Float, Device::Cpu));
    let channel = Tensor::ones([24], (Kind::Float, Device::Cpu));
    let all = || {
        let input = image.detach().set_requires_grad(true);
        let weight = weight.detach().set_requires_grad(true);
        let [mean, var] = [(); 2].map(|()| channel.zeros_like());
        let out = nas_torch::relu_depthwise(&input, &weight, 1, 2);
        let out = nas_torch::batch_norm(&out, [&channel, &channel], [&mean, &var], None, 0.1, 1e-5);
        let out = nas_torch::max_pool(&out, 1) + nas_torch::mean_pool(&out, 1);
        let mut all = Tensor::run_backward(&[out.square().sum(Kind::Float)], &[&input, &weight], false, false);
        all.push(out);
        all
    };
    tch::set_num_threads(1);
    let one = all();
    tch::set_num_threads(2);
    for (one, two) in one.iter().zip(all()) {
        // The sum's gradient is computed the same way: all differences would be of the kernels.
        assert!(one.equal(&two));
    }
}
