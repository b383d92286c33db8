//! A client's half of `partial` frames, as the protocol has it: what a change does to a message that is held. Pure; used
//! by every client of the tests that holds messages whole.

use serde_json::{Value, json};

/// Users named of one kind of reaction.
const NAMED: usize = 20;

/// Applies what a partial frame's `message` tells to the message held.
pub(crate) fn apply(held: &mut Value, change: &Value) {
    held["version"] = change["version"].clone();
    let fields = held.as_object_mut().unwrap();
    match change.get("pinned") {
        Some(Value::Null) => drop(fields.remove("pinned")),
        Some(pin) => drop(fields.insert("pinned".to_owned(), pin.clone())),
        None => {}
    }
    let Some(reaction) = change.get("reaction") else {
        return;
    };
    let mut kinds = fields.remove("reactions").unwrap_or_else(|| json!([]));
    let list = kinds.as_array_mut().unwrap();
    let place = list
        .iter()
        .position(|kind| kind["emoji"] == reaction["emoji"]);
    let place = place.unwrap_or_else(|| {
        list.push(json!({"emoji": reaction["emoji"], "count": 0, "users": []}));
        list.len() - 1
    });
    let kind = &mut list[place];
    kind["count"] = reaction["count"].clone();
    let users = kind["users"].as_array_mut().unwrap();
    users.retain(|user| Some(user) != reaction.get("removed"));
    for (field, room) in [("added", NAMED), ("next", usize::MAX)] {
        if let Some(user) = reaction.get(field)
            && !users.contains(user)
            && users.len() < room
        {
            users.push(user.clone());
        }
    }
    if reaction["count"] == 0 {
        list.remove(place);
    }
    if !list.is_empty() {
        fields.insert("reactions".to_owned(), kinds);
    }
}
