//! What feeds a machine is heard of by the others when it changes.

use tern_core::observe::Power;
use tokio::sync::watch;

use super::Node;
use crate::sense::Condition;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plug_that_is_pulled_is_heard_of_by_the_others() {
    let (mut a, b) = (Node::new("a").await, Node::new("b").await);
    let (machine, conditions) = watch::channel(Condition { power: Power::Mains, ..Condition::default() });
    a.overlay.follow_condition(conditions);
    b.joins(&a).await;
    let heard = async |power: Power| {
        b.until_view(&format!("{power:?}"), |view| {
            let of_a = view.nodes.iter().find(|node| node.node == a.id);
            of_a.and_then(|node| node.facts.as_ref()).is_some_and(|facts| facts.power == power)
        })
        .await;
    };
    heard(Power::Mains).await;
    let battery = Power::battery(Some(40));
    machine.send_replace(Condition { power: battery, ..Condition::default() });
    heard(battery).await;
    machine.send_replace(Condition { power: Power::Mains, ..Condition::default() });
    heard(Power::Mains).await;
}
