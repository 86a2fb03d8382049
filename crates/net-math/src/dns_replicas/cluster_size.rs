//! What the autoscaler counts in a cluster.

use trimtab_core::Quantity;
use trimtab_core::view::Node;

use super::wrapped_to_i32;

/// How large a cluster is, as the autoscaler counts it. Source: `ClusterStatus` in `pkg/autoscaler/k8sclient/k8sclient.go`, CPA 1.10.
///
/// A node is schedulable where it is neither cordoned (`spec.unschedulable`) nor not Ready (CPA 1.10.1 and later); taints do not matter.
/// Only nodes that the autoscaler's `--nodelabels` selector matches are counted at all.
///
/// ```
/// use trimtab_net_math::ClusterSize;
///
/// let one_cordoned = ClusterSize { schedulable_cores: 8, schedulable_nodes: 2, total_cores: 12, total_nodes: 3 };
/// assert!(one_cordoned.schedulable_nodes < one_cordoned.total_nodes);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSize {
    /// Cores of the schedulable nodes: their allocatable cpu summed, then rounded up once.
    pub schedulable_cores: i32,
    /// Schedulable nodes.
    pub schedulable_nodes: i32,
    /// Cores of all nodes: their allocatable cpu summed, then rounded up once.
    pub total_cores: i32,
    /// All nodes.
    pub total_nodes: i32,
}

impl ClusterSize {
    /// Counts nodes as the autoscaler does: those that its `--nodelabels` selector matches, which are all without one.
    ///
    /// A node is schedulable where it is not cordoned and its `Ready` condition is `True`. A node that reports no allocatable cpu counts as
    /// a node without cores. Autoscalers before 1.10.1 do not look at `Ready`: for these give nodes whose `Ready` is set to `True`.
    ///
    /// Source: `GetClusterStatus` in `pkg/autoscaler/k8sclient/k8sclient.go`, CPA 1.10.1.
    ///
    /// Surprising: the cpu is rounded up once, over the sum, so three nodes of 1930m are 6 cores and one of them is 2:
    ///
    /// ```
    /// use trimtab_core::view::Node;
    /// use trimtab_net_math::ClusterSize;
    ///
    /// let node = Node::from_json(r#"{"status": {"allocatable": {"cpu": "1930m"}, "conditions": [{"type": "Ready", "status": "True"}]}}"#)?;
    /// let mut cordoned = node.clone();
    /// cordoned.spec.unschedulable = true;
    /// let size = ClusterSize::from_nodes(&[node.clone(), node, cordoned]);
    /// assert_eq!(size, ClusterSize { schedulable_cores: 4, schedulable_nodes: 2, total_cores: 6, total_nodes: 3 });
    /// # Ok::<(), trimtab_core::view::ViewError>(())
    /// ```
    #[must_use]
    pub fn from_nodes<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let (mut schedulable, mut total) = (Count::default(), Count::default());
        for node in nodes {
            total.add(node);
            if !node.spec.unschedulable && node.is_ready() {
                schedulable.add(node);
            }
        }
        Self { schedulable_cores: schedulable.cores(), schedulable_nodes: schedulable.nodes, total_cores: total.cores(), total_nodes: total.nodes }
    }

    /// Cores and nodes that count for a mode.
    pub(super) const fn counted(&self, include_unschedulable_nodes: bool) -> (i32, i32) {
        if include_unschedulable_nodes { (self.total_cores, self.total_nodes) } else { (self.schedulable_cores, self.schedulable_nodes) }
    }
}

#[derive(Default)]
struct Count {
    nodes: i32,
    cpu: Quantity,
}

impl Count {
    fn add(&mut self, node: &Node) {
        self.nodes = self.nodes.wrapping_add(1);
        if let Some(cpu) = node.allocatable_cpu() {
            self.cpu.add(cpu);
        }
    }

    /// Rounded up to whole cores, then cut to 32 bits as upstream's conversion does.
    fn cores(&self) -> i32 {
        wrapped_to_i32(self.cpu.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(cpu: &str, unschedulable: bool, ready: Option<&str>) -> Node {
        let conditions: Vec<_> = ready.iter().map(|status| json!({"type": "Ready", "status": status})).collect();
        let manifest = json!({"spec": {"unschedulable": unschedulable}, "status": {"allocatable": {"cpu": cpu}, "conditions": conditions}});
        Node::from_value(&manifest).unwrap()
    }

    #[test]
    fn only_ready_nodes_that_are_not_cordoned_are_schedulable() {
        let nodes = [
            node("1000m", false, Some("True")),
            node("2000m", false, Some("True")),
            node("3000m", true, None),
            node("3000m", false, Some("False")),
            node("1", true, Some("True")),
        ];
        let expected = ClusterSize { schedulable_cores: 3, schedulable_nodes: 2, total_cores: 10, total_nodes: 5 };
        assert_eq!(ClusterSize::from_nodes(&nodes), expected);
    }

    #[test]
    fn a_node_without_allocatable_cpu_is_a_node_without_cores() {
        let bare = Node::from_json(r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#).unwrap();
        let expected = ClusterSize { schedulable_cores: 0, schedulable_nodes: 1, total_cores: 0, total_nodes: 1 };
        assert_eq!(ClusterSize::from_nodes([&bare]), expected);
    }

    #[test]
    fn no_nodes_are_a_size_too() {
        assert_eq!(ClusterSize::from_nodes([]), ClusterSize::default());
    }

    #[test]
    fn cores_beyond_32_bits_wrap_as_upstream_does() {
        assert_eq!(ClusterSize::from_nodes(&[node("2147483648", false, Some("True"))]).schedulable_cores, i32::MIN);
    }
}
