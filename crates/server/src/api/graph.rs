//! Graphs: from one person, unit, model, campaign, place or recommendation to everything that it
//! ever touched, up to two steps away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use axum::response::Response;
use engine::{Entity, State as Folded, Topic};
use model::entry::{Body, Seq};
use model::gs1::{Gtin, Subject};
use model::id::{PersonId, Time};
use model::limits;
use serde_json::{Value as Json, json};

use super::call::{self, Params, invalid};
use super::products::name_of;
use crate::app::App;
use crate::json;
use crate::problem::Problem;

pub const QUERY: &[(&str, &str)] =
    &[("depth", "Steps from the first node: 1 or 2; 1 if not given")];

/// Touches that are looked through for the first node, and for each further one.
const TOUCHES_FIRST: usize = 1_000;
const TOUCHES_FURTHER: usize = 100;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Person(PersonId),
    Product(Subject),
    Model(Gtin),
    Campaign(Box<str>),
    Place(Box<str>),
    /// A personal link.
    Referral(Box<str>),
}

impl Node {
    fn of(subject: Subject) -> Node {
        if subject.is_unit() { Node::Product(subject) } else { Node::Model(subject.gtin) }
    }

    fn id(&self) -> String {
        match self {
            Node::Person(id) => format!("person:{id}"),
            Node::Product(subject) => format!("product:{}", subject.path()),
            Node::Model(gtin) => format!("model:{gtin}"),
            Node::Campaign(id) => format!("campaign:{id}"),
            Node::Place(id) => format!("place:{id}"),
            Node::Referral(code) => format!("referral:{code}"),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Node::Person(_) => "person",
            Node::Product(_) => "product",
            Node::Model(_) => "model",
            Node::Campaign(_) => "campaign",
            Node::Place(_) => "place",
            Node::Referral(_) => "referral",
        }
    }

    /// Whose touches lead on from here.
    fn entity(&self) -> Option<Entity> {
        Some(match self {
            Node::Person(id) => Entity::Person(*id),
            Node::Product(subject) => Entity::Product(*subject),
            Node::Campaign(id) => Entity::Topic(Topic::Campaign(id.clone())),
            Node::Place(id) => Entity::Topic(Topic::Place(id.clone())),
            Node::Model(_) | Node::Referral(_) => return None,
        })
    }
}

#[derive(Default)]
struct Edge {
    touches: u64,
    first: Option<Time>,
    last: Option<Time>,
    /// What the newest of the touches was, or what a standing relation says.
    says: String,
}

struct Graph<'a> {
    app: &'a App,
    nodes: BTreeMap<Node, usize>,
    edges: BTreeMap<(Node, Node, &'static str), Edge>,
    /// Nodes whose touches were counted; a touch with one of them is not counted again.
    expanded: BTreeSet<Node>,
    truncated: bool,
}

pub fn example() -> Json {
    call::object(json!({
        "nodes": [{ "id": "person:p3", "kind": "person", "name": "p3", "distance": 0 }],
        "edges": [{ "from": "person:p3", "to": "product:/01/…/21/A1", "kind": "bond",
            "says": "owner", "touches": 12, "first": null, "last": null }],
        "truncated": false,
    }))
}

pub async fn answer(app: &App, from: Node, params: &Params) -> Result<Response, Problem> {
    let depth = match params.get("depth").map(String::as_str) {
        None | Some("1") => 1,
        Some("2") => 2,
        Some(_) => return Err(invalid("depth", "it is 1 or 2")),
    };
    let app = app.clone();
    Ok(call::ok(&call::blocking(move || walk(&app, from, depth)).await))
}

fn walk(app: &App, from: Node, depth: usize) -> Json {
    let mut graph = Graph {
        app,
        nodes: BTreeMap::new(),
        edges: BTreeMap::new(),
        expanded: BTreeSet::new(),
        truncated: false,
    };
    let mut open = VecDeque::from([from.clone()]);
    graph.nodes.insert(from, 0);
    while let Some(node) = open.pop_front() {
        let distance = graph.nodes[&node];
        if distance == depth {
            continue;
        }
        for next in graph.expand(&node, distance) {
            if graph.nodes.contains_key(&next) {
                continue;
            }
            if graph.nodes.len() >= limits::GRAPH_NODES {
                graph.truncated = true;
                break;
            }
            graph.nodes.insert(next.clone(), distance + 1);
            open.push_back(next);
        }
    }
    graph.to_json()
}

impl Graph<'_> {
    /// Notes the edges of a node and gives what is at their ends.
    fn expand(&mut self, node: &Node, distance: usize) -> Vec<Node> {
        let mut next = Vec::new();
        let app = self.app;
        let standing = {
            let state = app.engine.state();
            standing(&state, node)
        };
        for (other, kind, says) in standing {
            self.relate(node, &other, kind, says);
            next.push(other);
        }
        let Some(entity) = node.entity() else { return next };
        let most = if distance == 0 { TOUCHES_FIRST } else { TOUCHES_FURTHER };
        let mut seqs: Vec<Seq> = app.engine.state().timeline(&entity, None, most);
        self.truncated |= seqs.len() == most;
        seqs.reverse();
        for entry in call::entries_now(app, &seqs) {
            let Body::Touch(touch) = entry.body else { continue };
            let mut ends: Vec<Node> = Vec::new();
            let state = app.engine.state();
            let person = touch.aliases.iter().find_map(|alias| state.person_by_alias(alias));
            drop(state);
            ends.extend(person.map(Node::Person));
            ends.extend(touch.products.iter().map(|subject| Node::of(*subject)));
            ends.extend(touch.campaign.clone().map(Node::Campaign));
            ends.extend(touch.place.clone().map(Node::Place));
            for other in ends.into_iter().filter(|other| other != node) {
                if !self.expanded.contains(&other) {
                    self.touch(node, &other, touch.time, touch.kind.as_str());
                }
                next.push(other);
            }
        }
        self.expanded.insert(node.clone());
        next
    }

    fn edge(&mut self, a: &Node, b: &Node, kind: &'static str) -> &mut Edge {
        let (from, to) = if a <= b { (a, b) } else { (b, a) };
        self.edges.entry((from.clone(), to.clone(), kind)).or_default()
    }

    fn relate(&mut self, a: &Node, b: &Node, kind: &'static str, says: String) {
        let edge = self.edge(a, b, kind);
        if edge.says.is_empty() {
            edge.says = says;
        }
    }

    fn touch(&mut self, a: &Node, b: &Node, time: Time, kind: &str) {
        let edge = self.edge(a, b, "touch");
        edge.touches += 1;
        edge.first = Some(edge.first.map_or(time, |first| first.min(time)));
        if edge.last.is_none_or(|last| last <= time) {
            edge.last = Some(time);
            edge.says = kind.to_owned();
        }
    }

    fn to_json(&self) -> Json {
        let state = self.app.engine.state();
        let nodes = self.nodes.iter().map(|(node, distance)| {
            let mut shown = describe(&state, node);
            shown["id"] = node.id().into();
            shown["kind"] = node.kind().into();
            shown["distance"] = Json::from(*distance);
            shown
        });
        let there = |node: &Node| self.nodes.contains_key(node);
        let edges = self.edges.iter().filter(|((from, to, _), _)| there(from) && there(to));
        let edges = edges.map(|((from, to, kind), edge)| {
            json!({
                "from": from.id(),
                "to": to.id(),
                "kind": kind,
                "says": edge.says,
                "touches": edge.touches,
                "first": json::time_or_null(edge.first),
                "last": json::time_or_null(edge.last),
            })
        });
        json!({
            "nodes": nodes.collect::<Json>(),
            "edges": edges.collect::<Json>(),
            "truncated": self.truncated,
        })
    }
}

/// What is connected by more than a touch: other end, kind, what it says.
fn standing(state: &Folded, node: &Node) -> Vec<(Node, &'static str, String)> {
    let mut out: Vec<(Node, &'static str, String)> = Vec::new();
    match node {
        Node::Person(id) => {
            let Some(person) = state.person(*id) else { return out };
            for bond in person.bonds.iter().take(limits::GRAPH_NODES) {
                out.push((Node::of(bond.subject), "bond", bond.role.name().to_owned()));
            }
            for link in &person.links {
                out.push((Node::Referral(link.code.clone()), "recommends", String::new()));
            }
            for (_, code) in &person.referred_by {
                out.push((Node::Referral(code.clone()), "came_by", String::new()));
            }
        }
        Node::Product(subject) => {
            out.push((Node::Model(subject.gtin), "is_a", String::new()));
            if let Some(owner) = state.product(*subject).and_then(|product| product.owner) {
                out.push((Node::Person(owner), "bond", "owner".to_owned()));
            }
        }
        Node::Model(gtin) => {
            // Not its units: any few of a million would say nothing.
            let about = |own: &&model::things::Campaign| {
                own.subjects.iter().any(|subject| subject.gtin == *gtin)
            };
            let campaigns = state.campaigns().filter(about).take(TOUCHES_FURTHER);
            out.extend(campaigns.map(|own| (Node::Campaign(own.id.clone()), "is_for", "".into())));
            let sold = state.places().filter(|place| place.models.contains(gtin));
            let sold = sold.take(TOUCHES_FURTHER);
            out.extend(sold.map(|place| (Node::Place(place.id.clone()), "is_at", "".into())));
        }
        Node::Campaign(id) => {
            let subjects = state.campaign(id).map_or(&[][..], |campaign| &campaign.subjects);
            out.extend(subjects.iter().map(|own| (Node::of(*own), "is_for", String::new())));
        }
        Node::Place(id) => {
            let models = state.place(id).map_or(&[][..], |place| &place.models);
            out.extend(models.iter().map(|gtin| (Node::Model(*gtin), "is_at", String::new())));
        }
        Node::Referral(code) => {
            let Some(referral) = state.referral(code) else { return out };
            out.push((Node::Model(referral.gtin), "is_for", String::new()));
            out.extend(referral.person.map(|id| (Node::Person(id), "recommends", "".into())));
            if let Some(parent) = &referral.parent {
                out.push((Node::Referral(parent.clone()), "came_by", String::new()));
            }
        }
    }
    out
}

fn describe(state: &Folded, node: &Node) -> Json {
    match node {
        Node::Person(id) => {
            let person = state.person(*id);
            let strongest = person
                .as_deref()
                .and_then(|person| person.aliases.iter().map(|known| &known.alias).max());
            let name = strongest.map_or_else(|| id.to_string(), ToString::to_string);
            json!({ "name": name, "person": id.to_string() })
        }
        Node::Product(subject) => {
            json!({ "name": name_of(state, *subject), "link": subject.path() })
        }
        Node::Model(gtin) => {
            let subject = Subject::model(*gtin);
            json!({ "name": name_of(state, subject), "link": subject.path() })
        }
        Node::Campaign(id) => {
            json!({ "name": state.campaign(id).map_or(&**id, |campaign| &*campaign.name) })
        }
        Node::Place(id) => json!({ "name": state.place(id).map_or(&**id, |place| &*place.name) }),
        Node::Referral(code) => {
            let referral = state.referral(code);
            let visits = referral.as_deref().map_or(0, |referral| referral.visits);
            let orders = referral.as_deref().map_or(0, |referral| referral.orders);
            json!({ "name": code, "visits": visits, "orders": orders })
        }
    }
}
