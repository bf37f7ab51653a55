//! The tensors of a training as bytes (safetensors), and back.

use nas_api::contract::checkpoint::{MOMENTUM, REFERENCE};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Kind, Tensor, no_grad};

use crate::{model::Variables, optimizer::Sgd, reference::Reference};

fn tensors<'a>(variables: &'a Variables, sgd: &'a Sgd) -> impl Iterator<Item = (String, &'a Tensor)> {
    let values = variables.iter().map(|variable| (variable.name.clone(), &variable.tensor));
    values.chain(sgd.parameters().iter().map(|parameter| (format!("{MOMENTUM}{}", parameter.name), &parameter.momentum)))
}

/// All variables and momentum buffers, exact to the bit, and what the network says of a few images: [`restore`] passes over those, they are for
/// whoever takes the weights elsewhere.
///
/// # Errors
///
/// Where one is not of 32 bits: a conversion would round it, and what is resumed would train otherwise.
pub fn capture(variables: &Variables, sgd: &Sgd, reference: &Reference) -> Result<Vec<u8>, String> {
    let Reference { images, logits } = reference;
    let pixels = Vec::<u8>::try_from(images.contiguous().reshape([-1])).map_err(|error| format!("{REFERENCE}images: {error}"))?;
    let mut values = vec![(format!("{REFERENCE}images"), Dtype::U8, sizes(images), pixels)];
    let logits = (format!("{REFERENCE}logits"), logits);
    for (name, tensor) in tensors(variables, sgd).chain([logits]) {
        if tensor.kind() != Kind::Float {
            return Err(format!("{name} is of kind {:?}, and a checkpoint holds 32-bit numbers alone", tensor.kind()));
        }
        let flat = tensor.detach().contiguous().reshape([-1]);
        let numbers = Vec::<f32>::try_from(flat).map_err(|error| format!("{name}: {error}"))?;
        values.push((name, Dtype::F32, sizes(tensor), numbers.into_iter().flat_map(f32::to_le_bytes).collect()));
    }
    let views = values
        .iter()
        .map(|(name, kind, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*kind, shape.clone(), bytes).map_err(|e| e.to_string())?))
        })
        .collect::<Result<Vec<_>, String>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

fn sizes(tensor: &Tensor) -> Vec<usize> {
    tensor.size().iter().map(|size| *size as usize).collect()
}

/// Puts captured tensors back.
///
/// # Errors
///
/// Where one is missing or of another shape; nothing else is promised about the variables then.
pub fn restore(bytes: &[u8], variables: &Variables, sgd: &Sgd) -> Result<(), String> {
    let saved = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    for (name, tensor) in tensors(variables, sgd) {
        let view = saved.tensor(&name).map_err(|error| format!("{name}: {error}"))?;
        let shape: Vec<i64> = view.shape().iter().map(|size| *size as i64).collect();
        if shape != tensor.size() || view.dtype() != Dtype::F32 || tensor.kind() != Kind::Float {
            let (found, wanted) = (view.dtype(), tensor.kind());
            return Err(format!("{name} is {found:?} of shape {shape:?}, not {wanted:?} of {:?}", tensor.size()));
        }
        let numbers: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        no_grad(|| tensor.shallow_clone().copy_(&Tensor::from_slice(&numbers).reshape(shape)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::{model::MemoryFormat, optimizer::SgdConfig};

    fn training(kind: Kind, value: f64) -> (Variables, Sgd) {
        let mut variables = Variables::new(kind, Device::Cpu, MemoryFormat::ChannelsLast, 3);
        let _ = variables.uniform("convolution".to_owned(), &[4, 3, 5, 5], 75);
        let _ = variables.constant("bias".to_owned(), 4, value, true);
        let _ = variables.constant("mean".to_owned(), 4, 0.1, false);
        let sgd = Sgd::new(&variables, SgdConfig { momentum: 0.9, weight_decay: 0.0, max_norm: 1.0 });
        (variables, sgd)
    }

    fn reference() -> Reference {
        let images = Tensor::from_slice(&[7_u8, 255, 0, 1, 2, 3]).reshape([1, 1, 2, 3]);
        Reference { images, logits: Tensor::from_slice(&[0.25_f32, -1.5]).reshape([1, 2]) }
    }

    #[test]
    fn what_is_captured_comes_back_to_the_bit_whatever_the_layout() {
        let (variables, mut sgd) = training(Kind::Float, f64::from(f32::MIN_POSITIVE) / 3.0);
        let loss = variables.parameters().map(|variable| variable.tensor.sin().sum(Kind::Float)).sum::<Tensor>();
        let gradients = sgd.gradients(&loss);
        sgd.step(&gradients, 0.1);
        let saved = capture(&variables, &sgd, &reference()).unwrap();
        let (other, other_sgd) = training(Kind::Float, f64::NAN);
        restore(&saved, &other, &other_sgd).unwrap();
        for ((name, tensor), (_, restored)) in tensors(&variables, &sgd).zip(tensors(&other, &other_sgd)) {
            assert!(tensor.equal(restored) && tensor.stride() == restored.stride(), "{name}");
        }
        assert!(capture(&other, &other_sgd, &reference()).unwrap() == saved);
        let saved = SafeTensors::deserialize(&saved).unwrap();
        let (images, logits) = (saved.tensor("reference/images").unwrap(), saved.tensor("reference/logits").unwrap());
        assert_eq!((images.dtype(), images.shape(), images.data()), (Dtype::U8, &[1, 1, 2, 3][..], &[7, 255, 0, 1, 2, 3][..]));
        assert_eq!((logits.shape(), logits.data()), (&[1, 2][..], &[0.25_f32, -1.5].map(f32::to_le_bytes).concat()[..]));
    }

    #[test]
    fn what_would_be_rounded_is_refused_by_name() {
        let (double, sgd) = training(Kind::Double, 0.1);
        assert!(capture(&double, &sgd, &reference()).unwrap_err().contains("convolution is of kind Double"));
        let (float, float_sgd) = training(Kind::Float, 0.1);
        let saved = capture(&float, &float_sgd, &reference()).unwrap();
        assert!(restore(&saved, &double, &sgd).unwrap_err().contains("F32"));
    }
}
