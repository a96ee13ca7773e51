//! A page's QMP conversation with a machine on the server, less what could reach the server itself:
//! files, sockets, other processes.

use std::io;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::connection::Connection;

/// Commands that concern nothing but the machine, beside those that ask (`query-…`).
const COMMANDS: [&str; 16] = [
    "qmp_capabilities",
    "stop",
    "cont",
    "system_reset",
    "system_powerdown",
    "system_wakeup",
    "quit",
    "inject-nmi",
    "balloon",
    "qom-list",
    "qom-get",
    "qom-list-types",
    "qom-list-properties",
    "device-list-properties",
    "trace-event-get-state",
    "trace-event-set-state",
];
/// Refusals on their way to a page that does not read.
const BACKLOG: usize = 16;

/// Carries a conversation until either side leaves.
pub(super) async fn converse(
    page: WebSocketStream<Connection>,
    monitor: UnixStream,
) -> io::Result<()> {
    let (from, mut to) = monitor.into_split();
    let (mut sink, mut source) = page.split();
    let (refuse, mut refusals) = mpsc::channel(BACKLOG);
    let receive = async {
        while let Some(Ok(message)) = source.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            match permitted(text.as_str()) {
                Ok(line) => to.write_all(format!("{line}\n").as_bytes()).await?,
                // Nobody listens any more if this fails; the other half ends the conversation.
                Err(answer) => drop(refuse.send(answer.to_string()).await),
            }
        }
        Ok(())
    };
    let send = async {
        let mut lines = BufReader::new(from).lines();
        loop {
            let line = tokio::select! {
                line = lines.next_line() => line?,
                refusal = refusals.recv() => refusal,
            };
            let Some(line) = line else {
                return Ok(());
            };
            let sent = sink.send(Message::text(line)).await;
            sent.map_err(io::Error::other)?;
        }
    };
    tokio::select! {
        result = receive => result,
        result = send => result,
    }
}

/// The command as it is passed on, written anew so that nobody reads it in another way; or what the
/// page is answered.
fn permitted(text: &str) -> Result<Value, Value> {
    let refusal = |id: Option<&Value>, class: &str, desc: String| {
        let mut answer = json!({"error": {"class": class, "desc": desc}});
        if let (Some(answer), Some(id)) = (answer.as_object_mut(), id) {
            answer.insert("id".to_owned(), id.clone());
        }
        answer
    };
    let Ok(command) = serde_json::from_str::<Value>(text) else {
        let desc = "one JSON text per message, please".to_owned();
        return Err(refusal(None, "GenericError", desc));
    };
    let id = command.get("id");
    let names = ["execute", "exec-oob"].map(|key| command.get(key).and_then(Value::as_str));
    for name in names.into_iter().flatten() {
        if !name.starts_with("query-") && !COMMANDS.contains(&name) {
            let desc = format!("The command {name} is not for machines on this server");
            return Err(refusal(id, "CommandNotFound", desc));
        }
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_beyond_the_machine_is_refused() {
        for good in [
            r#"{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}"#,
            r#"{"execute":"query-status","id":1}"#,
            r#"{"exec-oob":"query-status"}"#,
            r#"{"nonsense": 1}"#,
        ] {
            let passed = permitted(good).unwrap();
            assert_eq!(passed, serde_json::from_str::<Value>(good).unwrap());
        }
        for bad in [
            r#"{"execute":"pmemsave","arguments":{"val":0,"size":1,"filename":"/tmp/x"},"id":7}"#,
            r#"{"exec-oob":"blockdev-add","execute":"stop","id":7}"#,
            r#"{"execute":"stop","execute":"human-monitor-command","id":7}"#,
            r#"{"execute":"Query-status","id":7}"#,
        ] {
            let answer = permitted(bad).unwrap_err();
            assert_eq!(answer["error"]["class"], "CommandNotFound", "{bad}");
            assert_eq!(answer["id"], 7);
        }
        let two = r#"{"execute":"stop"}{"execute":"quit"}"#;
        assert_eq!(
            permitted(two).unwrap_err()["error"]["class"],
            "GenericError"
        );
    }
}
