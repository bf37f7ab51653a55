//! For tests: a real Kubernetes control plane (etcd, kube-apiserver, kube-controller-manager) on 127.0.0.1, and what plays a kubelet.
//!
//! The control plane is a process of its own, `control-plane`, that ends all of its programs and removes its folder as soon as whoever
//! started it is gone, however that came. There is no fake API server.

mod cluster;
mod kubelet;
mod node;
mod plane;
mod programs;
mod wait;

pub use cluster::{Cluster, Namespace};
pub use kubelet::{ENDED, Kubelet};
pub use node::LogNode;
pub use plane::{Plane, PlaneError};
pub use programs::{Programs, made_ready};
pub use wait::eventually;
