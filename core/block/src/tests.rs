use std::io::ErrorKind;

use ferrite_machine::backend::{BlockBackend, BlockRequest};

use super::*;

fn node(len: usize, options: NodeOptions) -> BlockNode {
    let data = (0..len).map(|n| (n / 512) as u8 + 1).collect();
    BlockNode::new(Box::new(MemoryBackend::new(data)), options).unwrap()
}

fn run(node: &mut BlockNode, request: BlockRequest) -> std::io::Result<Vec<u8>> {
    node.submit(7, request);
    let done = node.poll().unwrap();
    assert_eq!(done.tag, 7);
    assert!(node.poll().is_none());
    done.result
}

#[test]
fn odd_sizes_round_up_and_read_zeros() {
    let mut node = node(700, NodeOptions::default());
    assert_eq!(node.size(), 1024);
    let data = run(
        &mut node,
        BlockRequest::Read {
            offset: 0,
            len: 1024,
        },
    )
    .unwrap();
    assert_eq!(data.len(), 1024);
    assert!(data[..512].iter().all(|b| *b == 1));
    assert!(data[512..700].iter().all(|b| *b == 2));
    assert!(data[700..].iter().all(|b| *b == 0));
}

#[test]
fn a_window_is_a_disk_of_its_own() {
    let options = NodeOptions {
        offset: 512,
        size: Some(1024),
        ..NodeOptions::default()
    };
    let mut node = node(4096, options);
    assert_eq!(node.size(), 1024);
    let data = run(
        &mut node,
        BlockRequest::Read {
            offset: 512,
            len: 512,
        },
    )
    .unwrap();
    assert!(data.iter().all(|b| *b == 3));
    let beyond = run(
        &mut node,
        BlockRequest::Read {
            offset: 1024,
            len: 512,
        },
    );
    assert_eq!(beyond.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn windows_outside_the_storage_are_refused() {
    let storage = || Box::new(MemoryBackend::new(vec![0; 1024]));
    let offset = NodeOptions {
        offset: 1025,
        ..NodeOptions::default()
    };
    assert!(matches!(
        BlockNode::new(storage(), offset),
        Err(NodeError::Offset { .. })
    ));
    for size in [1536, 100] {
        let options = NodeOptions {
            size: Some(size),
            ..NodeOptions::default()
        };
        assert_eq!(
            BlockNode::new(storage(), options).err(),
            Some(NodeError::Size(size))
        );
    }
}

#[test]
fn a_read_only_node_changes_nothing() {
    let options = NodeOptions {
        read_only: true,
        ..NodeOptions::default()
    };
    let mut node = node(1024, options);
    let changes = [
        BlockRequest::Write {
            offset: 0,
            data: vec![9; 512],
        },
        BlockRequest::Discard {
            offset: 0,
            len: 512,
        },
        BlockRequest::WriteZeroes {
            offset: 0,
            len: 512,
            unmap: true,
        },
    ];
    for change in changes {
        let error = run(&mut node, change).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    }
    let data = run(
        &mut node,
        BlockRequest::Read {
            offset: 0,
            len: 512,
        },
    )
    .unwrap();
    assert!(data.iter().all(|b| *b == 1));
}

#[test]
fn discard_does_what_the_mode_says() {
    for (discard, expected) in [(DiscardMode::Ignore, 1), (DiscardMode::Unmap, 0)] {
        let mut node = node(
            1024,
            NodeOptions {
                discard,
                ..NodeOptions::default()
            },
        );
        run(
            &mut node,
            BlockRequest::Discard {
                offset: 0,
                len: 512,
            },
        )
        .unwrap();
        let data = run(
            &mut node,
            BlockRequest::Read {
                offset: 0,
                len: 512,
            },
        )
        .unwrap();
        assert!(data.iter().all(|b| *b == expected));
    }
}

#[test]
fn counters_tell_what_was_done() {
    let mut node = node(1024, NodeOptions::default());
    let stats = node.stats();
    run(
        &mut node,
        BlockRequest::Read {
            offset: 0,
            len: 1024,
        },
    )
    .unwrap();
    run(
        &mut node,
        BlockRequest::Write {
            offset: 0,
            data: vec![0; 512],
        },
    )
    .unwrap();
    run(
        &mut node,
        BlockRequest::Write {
            offset: 1024,
            data: vec![0; 512],
        },
    )
    .unwrap_err();
    run(&mut node, BlockRequest::Flush).unwrap();
    let now = stats.snapshot();
    let of = |bytes, operations, failed| OperationStats {
        bytes,
        operations,
        failed,
    };
    assert_eq!(now.read, of(1024, 1, 0));
    assert_eq!(now.write, of(512, 1, 1));
    assert_eq!(now.flush, of(0, 1, 0));
    assert_eq!(now.unmap, of(0, 0, 0));
}
