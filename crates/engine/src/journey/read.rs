//! From the tree of the file to a [`Journey`]. Every reader notes what is wrong and goes on, so
//! that one look at the list is enough to mend the file.

use model::decision::{Sheet, What};
use model::gs1::Gtin;
use model::kind::{self, Kind as TouchKind};

use super::units::{self, MoneyMistake};
use super::yaml::{self, Data, Key, Node, Spot};
use super::*;
use crate::condition::{Condition, Root, text};

/// A node and the path by which a mistake names it.
struct At<'n> {
    node: &'n Node,
    path: String,
}

/// A map whose keys are known.
struct Fields<'n> {
    spot: Spot,
    path: String,
    pairs: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// `None` too if the key is there with nothing behind it.
    fn get(&self, key: &str) -> Option<At<'n>> {
        let (_, node) = self.pairs.iter().find(|(own, _)| own.name == key)?;
        (!node.is_null()).then(|| At { node, path: self.path_of(key) })
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }
}

struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    mistakes: Vec<FileMistake>,
    stages: Vec<String>,
    /// The purposes that a message or an offer may name, if the file lists permissions.
    purposes: Option<Vec<String>>,
}

const TOP: &[&str] = &[
    "journey",
    "applies_to",
    "kind",
    "stages",
    "moves",
    "steps",
    "timers",
    "messages",
    "menu",
    "offers",
    "carry_over",
    "permissions",
];

pub fn read(file: &str, text: &str) -> Result<Journey, Vec<FileMistake>> {
    let mut reading =
        Reading { file, text, mistakes: Vec::new(), stages: Vec::new(), purposes: None };
    let journey = if text.len() > model::limits::JOURNEY_BYTES {
        let message = format!("a journey has at most {} bytes", model::limits::JOURNEY_BYTES);
        reading.say(Spot::START, "", message, None);
        None
    } else {
        match yaml::load(text) {
            Ok(root) => reading.journey(&root),
            Err(broken) => {
                reading.say(broken.spot, "", broken.message, None);
                None
            }
        }
    };
    let mut mistakes = reading.mistakes;
    match journey {
        Some(journey) if mistakes.is_empty() => Ok(journey),
        _ => {
            assert!(!mistakes.is_empty(), "whoever gives nothing says why");
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            mistakes.truncate(limits::MISTAKES);
            Err(mistakes)
        }
    }
}

// The whole.
impl Reading<'_> {
    fn journey(&mut self, root: &Node) -> Option<Journey> {
        let root = At { node: root, path: String::new() };
        let top = self.fields(&root, TOP)?;
        let name = self.required(&top, "journey").and_then(|at| self.id(&at));
        let kind = self.kind(&top);
        let stages = self.stages(&top);
        let applies_to = self.applies_to(&top);
        let permissions = self.section(&top, "permissions", limits::PERMISSIONS, Self::permission);
        if top.get("permissions").is_some() {
            let purposes = permissions.iter().map(|permission| permission.purpose.clone());
            self.purposes = Some(purposes.chain([SERVICE.to_string()]).collect());
        }
        let messages = self.section(&top, "messages", limits::MESSAGES, Self::message);
        let mut menu = self.section(&top, "menu", limits::MENU, Self::menu_item);
        let mut steps = self.section(&top, "steps", limits::STEPS, Self::step);
        let moves = self.section(&top, "moves", limits::MOVES, Self::one_move);
        let timers = self.section(&top, "timers", limits::TIMERS, Self::timer);
        let mut offers = self.section(&top, "offers", limits::OFFERS, Self::offer);
        let carry = self.carry(&top);
        self.unique(&top, "permissions", permissions.iter().map(|one| &one.purpose));
        self.unique(&top, "messages", messages.iter().map(|one| &one.id));
        self.unique(&top, "menu", menu.iter().map(|one| &one.id));
        self.unique(&top, "steps", steps.iter().map(|one| &one.id));
        self.unique(&top, "timers", timers.iter().map(|one| &one.id));
        self.unique(&top, "offers", offers.iter().map(|one| &one.id));
        self.known_messages(&top, &messages);
        let known: Vec<&str> = steps
            .iter()
            .map(|step| step.id.as_str())
            .chain(menu.iter().map(|item| item.id.as_str()))
            .collect();
        self.known_suggestions(&top, &known);
        if kind == Some(Kind::AdHoc) && !steps.is_empty() {
            let at = top.get("kind").or_else(|| top.get("steps"))?;
            self.say_at(&at, "an ad_hoc journey has no steps", Some("guided".into()));
        }
        let numbered = number_facts(&mut menu, &mut offers, &mut steps);
        let menu_by_rank = by_rank(menu.iter().map(|item| item.rank));
        let offers_by_rank = by_rank(offers.iter().map(|offer| offer.rank));
        let menu_ids = menu_by_rank.iter().map(|at| menu[usize::from(*at)].id.as_str());
        let offer_ids = offers_by_rank.iter().map(|at| offers[usize::from(*at)].id.as_str());
        let ids = menu_ids.map(|id| (What::Menu, id));
        let ids = ids.chain(offer_ids.map(|id| (What::Offer, id)));
        let ids = ids.chain(steps.iter().map(|step| (What::Step, step.id.as_str())));
        let blank = Sheet::blank(facts::FIRST[facts::STAGE], ids);
        Some(Journey {
            name: name?,
            applies_to: applies_to?,
            kind: kind?,
            stages,
            moves,
            steps,
            timers,
            messages,
            menu_by_rank,
            offers_by_rank,
            menu,
            offers,
            carry,
            permissions,
            facts: numbered,
            blank,
        })
    }

    fn kind(&mut self, top: &Fields<'_>) -> Option<Kind> {
        let at = self.required(top, "kind")?;
        let name = self.text_of(&at)?;
        match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(Kind::SelfLearning | Kind::Intent) => {
                let message = format!("this version does not run {name} journeys yet");
                self.say_at(&at, message, Some("guided".into()));
                None
            }
            Some(kind) => Some(kind),
            None => {
                self.no_such(&at, "kind of journey", &name, &Kind::ALL.map(Kind::name));
                None
            }
        }
    }

    fn applies_to(&mut self, top: &Fields<'_>) -> Option<AppliesTo> {
        let at = self.required(top, "applies_to")?;
        if at.node.plain() == Some("all") {
            return Some(AppliesTo { models: Vec::new(), all: true });
        }
        let fields = self.fields(&at, &["models", "all"])?;
        let all = self.bool_or(&fields, "all", false);
        let mut models: Vec<Gtin> = Vec::new();
        for item in self.items_of(&fields, "models") {
            let Some(gtin_text) = self.text_of(&item) else { continue };
            match gtin_text.parse::<Gtin>() {
                Ok(gtin) => models.push(gtin),
                Err(error) => self.say_at(&item, format!("{gtin_text}: {error}"), None),
            }
        }
        if !all && fields.get("models").is_none() {
            self.say_at(&at, "say which models, or all: true", None);
        }
        if all && !models.is_empty() {
            self.say_at(&at, "either all or a list of models, not both", None);
        }
        models.sort();
        models.dedup();
        Some(AppliesTo { models, all })
    }

    /// The names come first of all, since everything else refers to them.
    fn stages(&mut self, top: &Fields<'_>) -> Vec<Stage> {
        let Some(list) = self.required(top, "stages") else { return Vec::new() };
        let mut stages: Vec<Stage> = Vec::new();
        for item in self.items(&list) {
            let Some(stage) = self.stage(&item) else { continue };
            if stage.name == NONE {
                self.say_at(&item, "none is the word for no stage; name this one otherwise", None);
            } else if stages.iter().any(|own| own.name == stage.name) {
                self.say_at(&item, format!("the stage {} is there twice", stage.name), None);
            } else {
                stages.push(stage);
            }
        }
        if stages.is_empty() {
            self.say_at(&list, "a journey has at least one stage", None);
        }
        if stages.len() > limits::STAGES {
            self.too_many(&list, limits::STAGES);
            stages.truncate(limits::STAGES);
        }
        self.stages = stages.iter().map(|stage| stage.name.clone()).collect();
        stages
    }

    fn stage(&mut self, at: &At<'_>) -> Option<Stage> {
        let plain =
            |name| Stage { name, title: Texts::default(), text: Texts::default(), suggest: None };
        if matches!(at.node.data, Data::Scalar { .. }) {
            return self.id(at).map(plain);
        }
        let fields = self.fields(at, &["name", "title", "text", "suggest"])?;
        let name = self.required(&fields, "name").and_then(|at| self.id(&at));
        Some(Stage {
            title: self.texts_or(&fields, "title", limits::TITLE_CHARS),
            text: self.texts_or(&fields, "text", limits::TEXT_CHARS),
            suggest: fields.get("suggest").and_then(|at| self.id(&at)),
            name: name?,
        })
    }

    fn carry(&mut self, top: &Fields<'_>) -> Carry {
        let Some(at) = top.get("carry_over") else { return Carry::Keep };
        let Data::Map(pairs) = &at.node.data else {
            let Some(word) = self.text_of(&at) else { return Carry::Keep };
            return match word.as_str() {
                "keep" => Carry::Keep,
                "restart" => Carry::Restart,
                _ => {
                    self.no_such(&at, "rule for carrying over", &word, &["keep", "restart"]);
                    Carry::Keep
                }
            };
        };
        let mut carried = Vec::new();
        for (key, node) in pairs {
            let at = At { node, path: format!("{}.{}", at.path, key.name) };
            if let Some(new) = self.stage_or_none(&at) {
                carried.push((key.name.clone(), new));
            }
        }
        self.twice(pairs, &at.path);
        Carry::Map(carried)
    }
}

// The entries of the sections.
impl Reading<'_> {
    fn permission(&mut self, at: &At<'_>) -> Option<Permission> {
        let fields = self.fields(at, &["purpose", "title", "gives", "default"])?;
        let purpose = self.required(&fields, "purpose").and_then(|at| self.id(&at));
        let title = self.texts(&fields, "title", limits::TITLE_CHARS);
        let gives = self.texts(&fields, "gives", limits::TEXT_CHARS);
        let default = self.bool_or(&fields, "default", false);
        Some(Permission { purpose: purpose?, title: title?, gives: gives?, default })
    }

    fn message(&mut self, at: &At<'_>) -> Option<Message> {
        let fields = self.fields(at, &["id", "title", "text", "open", "purpose"])?;
        let id = self.required(&fields, "id").and_then(|at| self.id(&at));
        let title = self.texts(&fields, "title", limits::TITLE_CHARS);
        let text = self.texts_or(&fields, "text", limits::TEXT_CHARS);
        let open = fields.get("open").and_then(|at| self.open(&at));
        let purpose = self.purpose(&fields, "purpose").unwrap_or_else(|| SERVICE.to_string());
        Some(Message { id: id?, title: title?, text, open, purpose })
    }

    fn menu_item(&mut self, at: &At<'_>) -> Option<MenuItem> {
        let keys = &["id", "in", "when", "title", "text", "icon", "open", "rank", "always", "role"];
        let fields = self.fields(at, keys)?;
        let id = self.required(&fields, "id").and_then(|at| self.id(&at));
        let title = self.texts(&fields, "title", limits::TITLE_CHARS);
        let open = self.required(&fields, "open").and_then(|at| self.open(&at));
        let roles = self.items_of(&fields, "role");
        Some(MenuItem {
            in_stages: self.in_stages(&fields),
            when: self.when(&fields, false),
            text: self.texts_or(&fields, "text", limits::TEXT_CHARS),
            icon: fields.get("icon").and_then(|at| self.id(&at)),
            rank: self.rank(&fields),
            always: self.bool_or(&fields, "always", false),
            role: roles.iter().filter_map(|role| self.id(role)).collect(),
            id: id?,
            title: title?,
            open: open?,
        })
    }

    fn step(&mut self, at: &At<'_>) -> Option<Step> {
        let fields = self.fields(at, &["id", "in", "title", "text", "done_on", "when", "open"])?;
        let id = self.required(&fields, "id").and_then(|at| self.id(&at));
        let title = self.texts(&fields, "title", limits::TITLE_CHARS);
        Some(Step {
            text: self.texts_or(&fields, "text", limits::TEXT_CHARS),
            done_on: self.kinds(&fields, "done_on"),
            when: self.when(&fields, false),
            open: fields.get("open").and_then(|at| self.open(&at)),
            in_stages: self.in_stages(&fields),
            id: id?,
            title: title?,
        })
    }

    fn one_move(&mut self, at: &At<'_>) -> Option<Move> {
        let fields = self.fields(at, &["on", "to", "from", "when"])?;
        self.required(&fields, "on");
        let on = self.kinds(&fields, "on");
        let to = self.required(&fields, "to").and_then(|at| self.stage_no(&at));
        let from = fields.get("from").map(|from| {
            let items = self.items(&from);
            if items.is_empty() {
                self.say_at(&from, "an empty list lets nobody move; leave it out", None);
            }
            items.iter().filter_map(|item| self.stage_or_none(item)).collect()
        });
        let when = self.when(&fields, true);
        Some(Move { on, to: to?, from, when })
    }

    fn timer(&mut self, at: &At<'_>) -> Option<Timer> {
        let fields = self.fields(at, &["id", "in", "after", "when", "send", "touch", "to"])?;
        let in_stage = self.required(&fields, "in").and_then(|at| self.stage_no(&at));
        let after = self.required(&fields, "after");
        let after_ms = after.as_ref().and_then(|at| self.duration(at));
        let id = match fields.get("id") {
            Some(id) => self.id(&id),
            // Steady as long as the timer means the same.
            None => in_stage.zip(after).and_then(|(stage, after)| {
                let after = self.text_of(&after)?.to_ascii_lowercase();
                Some(format!("{}-{after}", self.stages[usize::from(stage.0)]))
            }),
        };
        let send = fields.get("send").and_then(|at| self.id(&at));
        let touch = fields.get("touch").and_then(|at| self.touch_kind(&at));
        let to = fields.get("to").and_then(|at| self.stage_no(&at));
        let acts = ["send", "touch", "to"].iter().any(|key| fields.get(key).is_some());
        if !acts {
            self.say_at(at, "a timer does something: give it send, touch or to", None);
        }
        let when = self.when(&fields, false);
        Some(Timer { id: id?, in_stage: in_stage?, after_ms: after_ms?, when, send, touch, to })
    }

    fn offer(&mut self, at: &At<'_>) -> Option<Offer> {
        let keys = &[
            "id",
            "in",
            "when",
            "title",
            "text",
            "value",
            "cap",
            "valid",
            "campaign",
            "needs_consent",
            "rank",
        ];
        let fields = self.fields(at, keys)?;
        let id = self.required(&fields, "id").and_then(|at| self.id(&at));
        let value = self.required(&fields, "value").and_then(|at| self.value(&at));
        let needs_consent = self.purpose(&fields, "needs_consent");
        // An offer may do with its value for a title.
        Some(Offer {
            in_stages: self.in_stages(&fields),
            when: self.when(&fields, false),
            title: self.texts_or(&fields, "title", limits::TITLE_CHARS),
            text: self.texts_or(&fields, "text", limits::TEXT_CHARS),
            cap: self.cap(&fields),
            valid_ms: fields.get("valid").and_then(|at| self.duration(&at)),
            campaign: fields.get("campaign").and_then(|at| self.id(&at)),
            consent_fact: None,
            needs_consent,
            rank: self.rank(&fields),
            id: id?,
            value: value?,
        })
    }

    fn value(&mut self, at: &At<'_>) -> Option<OfferValue> {
        let fields = self.fields(at, &["off", "percent", "gift", "points"])?;
        let given: Vec<&str> = ["off", "percent", "gift", "points"]
            .into_iter()
            .filter(|key| fields.get(key).is_some())
            .collect();
        let [key] = given.as_slice() else {
            self.say_at(at, "a value is one of off, percent, gift, points", None);
            return None;
        };
        let inner = fields.get(key)?;
        match *key {
            "off" => self.money(&inner).map(OfferValue::Off),
            "percent" => {
                let percent = inner.node.plain().and_then(|raw| raw.parse::<f64>().ok());
                let good = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0);
                if good.is_none() {
                    self.say_at(&inner, "a percentage is a number above 0 and up to 100", None);
                }
                good.map(OfferValue::Percent)
            }
            "gift" => self.texts(&fields, "gift", limits::TITLE_CHARS).map(OfferValue::Gift),
            _ => self.int(&inner, 1, 1_000_000_000).map(OfferValue::Points),
        }
    }

    fn money(&mut self, at: &At<'_>) -> Option<model::touch::Money> {
        let amount = self.text_of(at)?;
        match units::money(&amount) {
            Ok(money) if money.minor > 0 => Some(money),
            Ok(_) => {
                self.say_at(at, "an amount off is more than nothing", None);
                None
            }
            Err(MoneyMistake::Form) => {
                self.say_at(at, "an amount is written as in \"50.00 USD\"", None);
                None
            }
            Err(MoneyMistake::Currency(code)) => {
                let near = text::nearest(&code, units::currencies());
                let message = format!("{code} is no currency of ISO 4217");
                self.say_at(at, message, near.map(str::to_string));
                None
            }
            Err(MoneyMistake::Digits(digits)) => {
                let message = format!("this currency has {digits} digits behind the point");
                self.say_at(at, message, None);
                None
            }
        }
    }

    fn cap(&mut self, fields: &Fields<'_>) -> Cap {
        let Some(at) = fields.get("cap") else { return Cap::default() };
        let Some(cap) = self.fields(&at, &["per_person", "per_day", "total"]) else {
            return Cap::default();
        };
        let mut count = |key| {
            let at = cap.get(key)?;
            self.int(&at, 1, i64::from(u32::MAX)).map(|count| count as u32)
        };
        Cap { per_person: count("per_person"), per_day: count("per_day"), total: count("total") }
    }
}

// What entries refer to.
impl Reading<'_> {
    fn stage_no(&mut self, at: &At<'_>) -> Option<StageNo> {
        let name = self.text_of(at)?;
        let found = self.stages.iter().position(|stage| *stage == name);
        if found.is_none() {
            self.unknown_stage(at, &name, false);
        }
        found.map(|at| StageNo(at as u8))
    }

    /// The inner `None` is the word `none`.
    fn stage_or_none(&mut self, at: &At<'_>) -> Option<Option<StageNo>> {
        let name = self.text_of(at)?;
        if name == NONE {
            return Some(None);
        }
        let found = self.stages.iter().position(|stage| *stage == name);
        if found.is_none() {
            self.unknown_stage(at, &name, true);
        }
        found.map(|at| Some(StageNo(at as u8)))
    }

    fn unknown_stage(&mut self, at: &At<'_>, name: &str, or_none: bool) {
        // Without any stage, that is the mistake, and it has been said.
        if self.stages.is_empty() {
            return;
        }
        let stages = self.stages.clone();
        let mut known: Vec<&str> = stages.iter().map(String::as_str).collect();
        known.extend(or_none.then_some(NONE));
        self.no_such(at, "stage", name, &known);
    }

    fn in_stages(&mut self, fields: &Fields<'_>) -> Vec<StageNo> {
        let items = self.items_of(fields, "in");
        let mut stages: Vec<StageNo> =
            items.iter().filter_map(|item| self.stage_no(item)).collect();
        stages.sort();
        stages.dedup();
        stages
    }

    fn purpose(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let at = fields.get(key)?;
        let purpose = self.id(&at)?;
        // Without a list of permissions here, they are kept elsewhere.
        let Some(known) = self.purposes.clone() else { return Some(purpose) };
        if !known.contains(&purpose) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            self.no_such(&at, "permission", &purpose, &known);
        }
        Some(purpose)
    }

    /// A file without messages may leave them to the company's own templates; a file with messages
    /// has to have this one.
    fn known_messages(&mut self, top: &Fields<'_>, messages: &[Message]) {
        if top.get("messages").is_none() {
            return;
        }
        let known: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        for item in self.items_of(top, "timers") {
            let Data::Map(pairs) = &item.node.data else { continue };
            for (key, node) in pairs.iter().filter(|(key, _)| key.name == "send") {
                let at = At { node, path: format!("{}.{}", item.path, key.name) };
                let Data::Scalar { raw, .. } = &node.data else { continue };
                if !known.contains(&raw.as_str()) {
                    self.no_such(&at, "message", raw, &known);
                }
            }
        }
    }

    fn known_suggestions(&mut self, top: &Fields<'_>, known: &[&str]) {
        for item in self.items_of(top, "stages") {
            let Data::Map(pairs) = &item.node.data else { continue };
            for (key, node) in pairs.iter().filter(|(key, _)| key.name == "suggest") {
                let at = At { node, path: format!("{}.{}", item.path, key.name) };
                let Data::Scalar { raw, .. } = &node.data else { continue };
                if !known.contains(&raw.as_str()) {
                    self.no_such(&at, "step or menu item", raw, known);
                }
            }
        }
    }

    fn kinds(&mut self, fields: &Fields<'_>, key: &str) -> Vec<On> {
        let items = self.items_of(fields, key);
        if items.is_empty()
            && let Some(at) = fields.get(key)
        {
            self.say_at(&at, "the list of kinds is empty", None);
        }
        items.iter().filter_map(|item| self.on(item)).collect()
    }

    fn on(&mut self, at: &At<'_>) -> Option<On> {
        let name = self.text_of(at)?;
        let Some(noun) = name.strip_suffix(".*") else {
            return self.touch_kind(at).map(On::Kind);
        };
        if TouchKind::new(&format!("{noun}.x")).is_none() {
            self.say_at(at, NO_KIND, None);
            return None;
        }
        let nouns = || kind::STANDARD.iter().filter_map(|row| row.1.split('.').next());
        let near = nouns().find(|own| text::distance(own, noun) == 1);
        if let Some(near) = near.filter(|_| !nouns().any(|own| own == noun)) {
            self.say_at(at, format!("{name} is nearly a known kind"), Some(format!("{near}.*")));
        }
        Some(On::Under(format!("{noun}.").into()))
    }

    /// A company may have kinds of its own, but one letter beside a standard one is a slip.
    fn touch_kind(&mut self, at: &At<'_>) -> Option<TouchKind> {
        let name = self.text_of(at)?;
        let Some(found) = TouchKind::new(&name) else {
            let near = text::nearest(&name, kind::STANDARD.iter().map(|row| row.1));
            self.say_at(at, NO_KIND, near.map(str::to_string));
            return None;
        };
        if TouchKind::standard(&name).is_none() {
            let near = kind::STANDARD.iter().find(|row| text::distance(row.1, &name) == 1);
            if let Some(row) = near {
                let message = format!("{name} is nearly a known kind");
                self.say_at(at, message, Some(row.1.to_string()));
            }
        }
        Some(found)
    }

    fn when(&mut self, fields: &Fields<'_>, with_touch: bool) -> Option<Condition> {
        let at = fields.get("when")?;
        let source = self.text_of(&at)?;
        let stages: Vec<&str> = self.stages.iter().map(String::as_str).collect();
        let stages = (!stages.is_empty()).then_some(stages.as_slice());
        let (line, column, message, suggestion) = match Condition::compile_for(&source, stages) {
            Ok(condition) if with_touch || !condition.reads(Root::Touch) => {
                return Some(condition);
            }
            Ok(_) => {
                let (line, column) = touch_place(&source);
                let message = "there is no touch when this is asked; only moves read it";
                (line, column, message.to_string(), None)
            }
            Err(mistake) => (mistake.line, mistake.column, mistake.message, mistake.suggestion),
        };
        let (line, column) = yaml::place_in(self.text, at.node, line, column);
        self.push(line, column, &at.path, message, suggestion);
        None
    }
}

const NO_KIND: &str = "a kind of touch is written noun.verb in small letters, as in order.placed";

/// Where the first `touch` stands as a whole word.
fn touch_place(source: &str) -> (u32, u32) {
    let word = |c: char| c == '_' || c == '.' || c.is_ascii_alphanumeric();
    let found = source.match_indices("touch").map(|(at, _)| at).find(|at| {
        let before = source[..*at].chars().next_back();
        let after = source[at + "touch".len()..].chars().next();
        !before.is_some_and(word) && matches!(after, Some('.' | '[' | ' '))
    });
    text::line_column(source, found.unwrap_or(0))
}

// Values of every kind.
impl Reading<'_> {
    fn say(&mut self, spot: Spot, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.push(spot.line, spot.column, path, message.into(), hint);
    }

    fn say_at(&mut self, at: &At<'_>, message: impl Into<String>, hint: Option<String>) {
        self.say(at.node.spot, &at.path, message, hint);
    }

    fn push(&mut self, line: u32, column: u32, path: &str, message: String, hint: Option<String>) {
        self.mistakes.push(FileMistake {
            file: self.file.to_string(),
            line,
            column,
            path: path.to_string(),
            message,
            suggestion: hint,
        });
    }

    /// `name` is none of `known`.
    fn no_such(&mut self, at: &At<'_>, what: &str, name: &str, known: &[&str]) {
        let message = format!("there is no {what} {name}");
        match text::nearest(name, known.iter().copied()) {
            Some(near) => self.say_at(at, message, Some(near.to_string())),
            None if known.is_empty() || known.len() > 12 => self.say_at(at, message, None),
            None => self.say_at(at, format!("{message}; there are {}", known.join(", ")), None),
        }
    }

    fn too_many(&mut self, at: &At<'_>, limit: usize) {
        self.say_at(at, format!("there are at most {limit} of these"), None);
    }

    fn fields<'n>(&mut self, at: &At<'n>, keys: &[&str]) -> Option<Fields<'n>> {
        let Data::Map(pairs) = &at.node.data else {
            let message =
                format!("here should be a map with {}, not {}", keys.join(", "), at.node.what());
            self.say_at(at, message, None);
            return None;
        };
        for (key, _) in pairs {
            if keys.contains(&key.name.as_str()) {
                continue;
            }
            let message = format!("there is no key {}", key.name);
            let near = text::nearest(&key.name, keys.iter().copied());
            let message = match near {
                Some(_) => message,
                None => format!("{message}; there are {}", keys.join(", ")),
            };
            self.say(key.spot, &at.path, message, near.map(str::to_string));
        }
        self.twice(pairs, &at.path);
        Some(Fields { spot: at.node.spot, path: at.path.clone(), pairs })
    }

    fn twice(&mut self, pairs: &[(Key, Node)], path: &str) {
        for (at, (key, _)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(own, _)| own.name == key.name) {
                self.say(key.spot, path, format!("{} is there twice", key.name), None);
            }
        }
    }

    fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<At<'n>> {
        let found = fields.get(key);
        if found.is_none() {
            // A key without a value knows its own place.
            let own = fields.pairs.iter().find(|(own, _)| own.name == key);
            let spot = own.map_or(fields.spot, |(own, _)| own.spot);
            self.say(spot, &fields.path, format!("{key} is missing"), None);
        }
        found
    }

    /// The items of a list; anything else counts as its only item.
    fn items<'n>(&mut self, at: &At<'n>) -> Vec<At<'n>> {
        let Data::List(items) = &at.node.data else {
            return vec![At { node: at.node, path: at.path.clone() }];
        };
        if items.len() > limits::LIST {
            self.too_many(at, limits::LIST);
        }
        let item = |(number, node)| At { node, path: format!("{}[{number}]", at.path) };
        items.iter().take(limits::LIST).enumerate().map(item).collect()
    }

    fn items_of<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Vec<At<'n>> {
        fields.get(key).map(|at| self.items(&at)).unwrap_or_default()
    }

    fn section<T>(
        &mut self,
        top: &Fields<'_>,
        key: &str,
        limit: usize,
        read: impl Fn(&mut Self, &At<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(list) = top.get(key) else { return Vec::new() };
        if !matches!(list.node.data, Data::List(_)) {
            let message = format!("{key} is a list, here is {}", list.node.what());
            self.say_at(&list, message, None);
            return Vec::new();
        }
        let items = self.items(&list);
        if items.len() > limit {
            self.too_many(&list, limit);
        }
        items.iter().take(limit).filter_map(|item| read(self, item)).collect()
    }

    /// Said at the second of two equal ids. Entries that could not be read are not counted.
    fn unique<'i>(
        &mut self,
        top: &Fields<'_>,
        key: &str,
        ids: impl ExactSizeIterator<Item = &'i String>,
    ) {
        let ids: Vec<&String> = ids.collect();
        let items = self.items_of(top, key);
        let all_read = items.len() == ids.len();
        let same =
            |node: &Node, id: &str| matches!(&node.data, Data::Scalar { raw, .. } if raw == id);
        for (at, id) in ids.iter().enumerate().filter(|(at, id)| ids[..*at].contains(id)) {
            let named = |item: &&At<'_>| match &item.node.data {
                Data::Map(pairs) => pairs.iter().any(|(own, node)| {
                    matches!(own.name.as_str(), "id" | "purpose") && same(node, id)
                }),
                _ => false,
            };
            let item = if all_read { items.get(at) } else { items.iter().filter(named).nth(1) };
            if let Some(item) = item {
                self.say_at(item, format!("{id} is there twice; one needs another name"), None);
            }
        }
    }

    fn text_of(&mut self, at: &At<'_>) -> Option<String> {
        match &at.node.data {
            Data::Scalar { raw, .. } if !at.node.is_null() => Some(raw.clone()),
            _ => {
                let message = format!("here should be a text, not {}", at.node.what());
                self.say_at(at, message, None);
                None
            }
        }
    }

    /// A name of small letters, digits, `_` and `-`.
    fn id(&mut self, at: &At<'_>) -> Option<String> {
        let id = self.text_of(at)?;
        let good = id.len() <= limits::ID_CHARS
            && id.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
        if good {
            return Some(id);
        }
        let tidy: String = id
            .to_ascii_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
            .take(limits::ID_CHARS)
            .collect();
        let tidy = tidy.trim_start_matches(['-', '_']);
        let message = "a name has 1 to 64 small letters, digits, _ and -";
        self.say_at(at, message, (!tidy.is_empty()).then(|| tidy.to_string()));
        None
    }

    fn texts(&mut self, fields: &Fields<'_>, key: &str, limit: usize) -> Option<Texts> {
        let at = self.required(fields, key)?;
        let texts = self.texts_at(&at, limit);
        (!texts.is_empty()).then_some(texts)
    }

    fn texts_or(&mut self, fields: &Fields<'_>, key: &str, limit: usize) -> Texts {
        fields.get(key).map(|at| self.texts_at(&at, limit)).unwrap_or_default()
    }

    /// A map of languages, or one text, which is English.
    fn texts_at(&mut self, at: &At<'_>, limit: usize) -> Texts {
        let Data::Map(pairs) = &at.node.data else {
            let text = self.short_text(at, limit);
            return text.map(|text| Texts::en(&text)).unwrap_or_default();
        };
        if pairs.is_empty() {
            self.say_at(at, "give the text in at least one language", None);
        }
        if pairs.len() > limits::LOCALES {
            self.too_many(at, limits::LOCALES);
        }
        self.twice(pairs, &at.path);
        let mut texts = Vec::new();
        for (key, node) in pairs.iter().take(limits::LOCALES) {
            let inner = At { node, path: format!("{}.{}", at.path, key.name) };
            if !is_locale(&key.name) {
                let message = format!("{} is no language tag such as en or de-AT", key.name);
                self.say(key.spot, &at.path, message, None);
            }
            if let Some(text) = self.short_text(&inner, limit) {
                texts.push((key.name.clone(), text));
            }
        }
        Texts::new(texts)
    }

    fn short_text(&mut self, at: &At<'_>, limit: usize) -> Option<String> {
        let text = self.text_of(at)?;
        if text.trim().is_empty() {
            self.say_at(at, "the text is empty", None);
            return None;
        }
        let found = text.chars().count();
        if found > limit {
            let message = format!("this text has {found} characters, at most {limit} fit");
            self.say_at(at, message, None);
            return None;
        }
        Some(text)
    }

    fn bool_or(&mut self, fields: &Fields<'_>, key: &str, default: bool) -> bool {
        let Some(at) = fields.get(key) else { return default };
        match at.node.plain() {
            Some("true") => true,
            Some("false") => false,
            other => {
                let hint = match other.unwrap_or_default().to_ascii_lowercase().as_str() {
                    "yes" | "on" | "true" => Some("true".to_string()),
                    "no" | "off" | "false" => Some("false".to_string()),
                    _ => None,
                };
                self.say_at(&at, "here should be true or false", hint);
                default
            }
        }
    }

    fn int(&mut self, at: &At<'_>, least: i64, most: i64) -> Option<i64> {
        let found = at.node.plain().and_then(|raw| raw.parse::<i64>().ok());
        let good = found.filter(|int| (least..=most).contains(int));
        if good.is_none() {
            let message = format!("here should be a whole number from {least} to {most}");
            self.say_at(at, message, None);
        }
        good
    }

    fn rank(&mut self, fields: &Fields<'_>) -> i32 {
        let rank = fields.get("rank").and_then(|at| self.int(&at, -1_000_000, 1_000_000));
        rank.unwrap_or(0) as i32
    }

    fn duration(&mut self, at: &At<'_>) -> Option<i64> {
        let written = self.text_of(at)?;
        let found = units::duration_ms(&written);
        let good = found.filter(|ms| *ms > 0 && *ms <= limits::DURATION_MS);
        if good.is_none() {
            let message = match found {
                Some(_) => "a time is longer than nothing and at most ten years",
                None => "a time is written as 3d, 1d12h, 30m, 90s, 1w or P3D",
            };
            self.say_at(at, message, None);
        }
        good
    }

    /// What a tap opens: a page of the companion or a link. Nothing that runs code.
    fn open(&mut self, at: &At<'_>) -> Option<String> {
        let target = self.text_of(at)?;
        let own = target.starts_with('/') && !target.starts_with("//");
        let link = ["https://", "http://", "tel:", "mailto:", "sms:"];
        let good = own || link.iter().any(|scheme| target.starts_with(scheme));
        let plain = !target.chars().any(|c| c.is_whitespace() || c.is_control());
        if !good || !plain {
            let hint = (plain && !target.contains([':', '/'])).then(|| format!("/{target}"));
            self.say_at(at, "open takes a page (/guides/…) or a https, tel or mailto link", hint);
            return None;
        }
        if target.len() > limits::OPEN_BYTES {
            self.say_at(at, format!("a link has at most {} bytes", limits::OPEN_BYTES), None);
            return None;
        }
        Some(target)
    }
}

/// A language and whatever narrows it down: `en`, `de-AT`, `zh-Hant-TW`.
fn is_locale(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && parts.all(|part| {
            (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// The places of these ranks, the highest first.
fn by_rank(ranks: impl Iterator<Item = i32>) -> Vec<u16> {
    let ranks: Vec<i32> = ranks.collect();
    let mut places: Vec<u16> = (0..ranks.len() as u16).collect();
    places.sort_by_key(|place| std::cmp::Reverse(ranks[usize::from(*place)]));
    places
}

/// The names of all facts that decisions may note, by the numbers that they have from here on.
fn number_facts(menu: &mut [MenuItem], offers: &mut [Offer], steps: &mut [Step]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = facts::FIRST.map(Arc::from).to_vec();
    let menu = menu.iter_mut().map(|item| &mut item.when);
    let whens = menu.chain(offers.iter_mut().map(|offer| &mut offer.when));
    let whens = whens.chain(steps.iter_mut().map(|step| &mut step.when));
    whens.flatten().for_each(|when| when.number_among(&mut names));
    for offer in offers {
        let name = offer.needs_consent.as_ref().map(|own| format!("person.consents.{own}"));
        offer.consent_fact = name.map(|name| {
            let known = names.iter().position(|own| **own == *name);
            known.unwrap_or_else(|| {
                names.push(name.into());
                names.len() - 1
            })
        });
    }
    names
}
