//! Every backend does what the conformance suite says.

use headwater_base::Seams;
use headwater_store::conformance::CASES;

use crate::harness::Node;

#[tokio::test]
async fn the_memory_backend_conforms() {
    for (name, case) in CASES {
        println!("{name}");
        case(headwater_store::memory::open(Seams::system())).await;
    }
}

#[tokio::test]
async fn the_embedded_backend_conforms() {
    for (name, case) in CASES {
        println!("{name}");
        let dir = tempfile::tempdir().unwrap();
        let node = Node::small(dir.path());
        case(std::sync::Arc::clone(&node.store)).await;
        node.close().await;
    }
}
