//! The one table of what a condition may read, and the one of what it may call. The type checker,
//! the suggestions and the documentation all read these; nothing else lists fields.

use super::text;

/// The five variables of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    Touch,
    Person,
    Product,
    Bond,
    Context,
}

impl Root {
    pub const ALL: [Root; 5] =
        [Root::Touch, Root::Person, Root::Product, Root::Bond, Root::Context];

    pub fn name(self) -> &'static str {
        match self {
            Root::Touch => "touch",
            Root::Person => "person",
            Root::Product => "product",
            Root::Bond => "bond",
            Root::Context => "context",
        }
    }

    pub fn named(name: &str) -> Option<Root> {
        Root::ALL.into_iter().find(|root| root.name() == name)
    }

    /// Where a company's own data sits under this variable, if anywhere.
    pub(crate) fn open_map(self) -> Option<&'static str> {
        match self {
            Root::Touch => Some("properties"),
            Root::Person => Some("traits"),
            Root::Product => Some("state"),
            Root::Bond | Root::Context => None,
        }
    }
}

/// The type of a value as far as it is known before evaluation; `Dyn` is any of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Time,
    Duration,
    List,
    Map,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Dyn => "dynamic",
            Kind::Null => "null",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint => "uint",
            Kind::Double => "double",
            Kind::Text => "text",
            Kind::Time => "timestamp",
            Kind::Duration => "duration",
            Kind::List => "list",
            Kind::Map => "map",
        }
    }
}

/// A kind and, for lists and maps, the kind of what is inside. A map with items is *open*: it
/// takes any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    pub kind: Kind,
    pub item: Kind,
}

impl Type {
    pub const DYN: Type = Type::of(Kind::Dyn);

    pub const fn of(kind: Kind) -> Type {
        Type { kind, item: Kind::Dyn }
    }

    pub const fn list(item: Kind) -> Type {
        Type { kind: Kind::List, item }
    }

    pub const fn map(item: Kind) -> Type {
        Type { kind: Kind::Map, item }
    }

    /// What an element of it is.
    pub(crate) fn inner(self) -> Type {
        Type::of(self.item)
    }
}

/// One known field.
#[derive(Debug)]
pub struct FieldRow {
    pub field: Field,
    pub root: Root,
    /// The way from the variable, with dots: `place.id`.
    pub name: &'static str,
    pub ty: Type,
    pub about: &'static str,
    /// If not empty, the only texts that it can be.
    pub values: &'static [&'static str],
}

impl FieldRow {
    /// `context.place.id`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.root.name(), self.name)
    }
}

macro_rules! fields {
    ($($field:ident $root:ident $name:literal $ty:expr, $about:literal $(, $values:expr)?;)*) => {
        /// A known field; the number of its row in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field { $($field),* }

        const FIELDS: &[FieldRow] = &[$(FieldRow {
            field: Field::$field,
            root: Root::$root,
            name: $name,
            ty: $ty,
            about: $about,
            values: { let values: &[&str] = &[]; $(let _ = values; let values = $values;)? values },
        }),*];
    };
}

const BOOL: Type = Type::of(Kind::Bool);
const INT: Type = Type::of(Kind::Int);
const DOUBLE: Type = Type::of(Kind::Double);
const TEXT: Type = Type::of(Kind::Text);
const TIME: Type = Type::of(Kind::Time);
const OPEN: Type = Type::map(Kind::Dyn);

pub const SETTINGS: &[&str] = &["home", "shop", "in_line", "car", "office", "elsewhere"];
/// The names of the model's channels.
pub const CHANNELS: &[&str] = &{
    let mut names = [""; model::touch::CHANNELS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = model::touch::CHANNELS[at].1;
        at += 1;
    }
    names
};

fields! {
    TouchKind Touch "kind" TEXT, "what happened, such as order.placed";
    TouchTime Touch "time" TIME, "when it happened, as the source says";
    TouchProperties Touch "properties" OPEN, "what the source said about it";
    TouchCampaign Touch "campaign" TEXT, "the campaign that it came from";
    TouchChannel Touch "channel" TEXT, "the channel that it came through", CHANNELS;
    TouchPlaceId Touch "place.id" TEXT, "the place where it happened";
    TouchPlaceKind Touch "place.kind" TEXT, "the kind of that place: shop, home, depot";
    TouchPlaceName Touch "place.name" TEXT, "the name of that place";
    TouchRecorded Touch "recorded" TIME, "when it was written to the log";

    PersonKnown Person "known" BOOL, "has a user id, an e-mail or a loyalty number";
    PersonRole Person "role" TEXT, "the role in the account: owner, buyer, staff";
    PersonTraits Person "traits" OPEN, "what is known of the person";
    PersonLocale Person "locale" TEXT, "language and region, such as de-AT";
    PersonConsents Person "consents" Type::map(Kind::Bool), "purpose to yes or no";
    PersonPoints Person "points" INT, "loyalty points now";
    PersonFirstSeen Person "first_seen" TIME, "the first touch";
    PersonLastSeen Person "last_seen" TIME, "the latest touch";
    PersonTouches Person "touches" INT, "how many touches in all";
    PersonBonds Person "bonds" INT, "how many products";

    ProductGtin Product "gtin" TEXT, "the model's GTIN, 14 digits";
    ProductSerial Product "serial" TEXT, "the serial number of the unit";
    ProductModel Product "model" TEXT, "the model's name";
    ProductState Product "state" OPEN, "what the unit last reported of itself";
    ProductAttributes Product "attributes" OPEN, "what the maker says of the model";
    ProductOwned Product "owned" BOOL, "somebody has claimed the unit";
    ProductRegistered Product "registered" TIME, "when the unit got its identity";
    ProductTouches Product "touches" INT, "how many touches in all";

    BondStage Bond "stage" TEXT, "the stage of this person with this product; \"none\" before one";
    BondRole Bond "role" TEXT, "what the person is to the product: owner, user, prospect";
    BondSince Bond "since" TIME, "when the stage was entered";
    BondBegun Bond "begun" TIME, "when the bond began";
    BondDaysInStage Bond "days_in_stage" INT, "whole days since the stage was entered";
    BondTouches Bond "touches" INT, "touches of this person with this product";
    BondCampaign Bond "campaign" TEXT, "the campaign last clicked";
    BondJourney Bond "journey" TEXT, "the journey that applies";
    BondStepsDone Bond "steps_done" Type::list(Kind::Text), "ids of the steps done";
    BondIntent Bond "intent" TEXT, "what the person seems to be trying to do";
    BondReferred Bond "referred" BOOL, "a friend's recommendation led here";

    ContextTime Context "time" TIME, "now";
    ContextHour Context "hour" INT, "hour of the day there, 0 to 23";
    ContextMinute Context "minute" INT, "minute of the hour, 0 to 59";
    ContextWeekday Context "weekday" INT, "1 is Monday, 7 is Sunday";
    ContextWeekend Context "weekend" BOOL, "Saturday or Sunday there";
    ContextDate Context "date" TEXT, "the date there, such as 2026-05-31";
    ContextPlaceId Context "place.id" TEXT, "the nearest place";
    ContextPlaceKind Context "place.kind" TEXT, "its kind: shop, home, depot";
    ContextPlaceName Context "place.name" TEXT, "its name";
    ContextPlaceDistanceM Context "place.distance_m" DOUBLE, "metres to its edge";
    ContextPlaceInside Context "place.inside" BOOL, "the person is inside it";
    ContextPlaceOpen Context "place.open" BOOL, "it is open now";
    ContextPlaceLoad Context "place.load" DOUBLE, "how full it is, 0.0 to 1.0 and above";
    ContextLocationLat Context "location.lat" DOUBLE, "degrees north";
    ContextLocationLon Context "location.lon" DOUBLE, "degrees east";
    ContextWeatherCondition Context "weather.condition" TEXT, "clear, rain, snow, …";
    ContextWeatherTempC Context "weather.temp_c" DOUBLE, "degrees Celsius";
    ContextSetting Context "setting" TEXT, "where the person is, in a word", SETTINGS;
    ContextChannel Context "channel" TEXT, "the channel in use", CHANNELS;
    ContextLocale Context "locale" TEXT, "language and region in use";
    ContextNearProduct Context "near_product" BOOL, "the product is within reach";
    ContextRole Context "role" TEXT, "the role in which the question is asked";
    ContextStaff Context "staff" BOOL, "a member of staff asks";
    ContextCampaign Context "campaign" TEXT, "the campaign that led to this moment";
}

impl Field {
    pub fn row(self) -> &'static FieldRow {
        &FIELDS[self as usize]
    }
}

/// One function; `member` means `x.name(...)`.
#[derive(Debug)]
pub struct FunctionRow {
    pub name: &'static str,
    pub member: bool,
    pub usage: &'static str,
    pub about: &'static str,
}

const fn global(name: &'static str, usage: &'static str, about: &'static str) -> FunctionRow {
    FunctionRow { name, member: false, usage, about }
}

const fn member(name: &'static str, usage: &'static str, about: &'static str) -> FunctionRow {
    FunctionRow { name, member: true, usage, about }
}

const FUNCTIONS: &[FunctionRow] = &[
    global("has", "has(product.state.error)", "the field is there"),
    global("size", "size(x)", "characters of a text, entries of a list or map"),
    global("int", "int(x)", "as a whole number; of a timestamp, seconds since 1970"),
    global("uint", "uint(x)", "as a whole number that is not negative"),
    global("double", "double(x)", "as a number with a fraction"),
    global("string", "string(x)", "as a text"),
    global("bool", "bool(x)", "of the text true or false"),
    global("dyn", "dyn(x)", "the same value, its type not checked beforehand"),
    global("timestamp", "timestamp(\"2026-05-31T12:00:00Z\")", "a time, as RFC 3339"),
    global("duration", "duration(\"36h30m\")", "a length of time in h, m, s, ms"),
    member("size", "x.size()", "the same as size(x)"),
    member("contains", "text.contains(\"x\")", "the text is somewhere in it"),
    member("startsWith", "text.startsWith(\"x\")", "it begins so"),
    member("endsWith", "text.endsWith(\"x\")", "it ends so"),
    member("matches", "text.matches(\"^a.*z$\")", "a regular expression is found in it"),
    member("lowerAscii", "text.lowerAscii()", "A to Z made small"),
    member("upperAscii", "text.upperAscii()", "a to z made large"),
    member("all", "list.all(x, x > 1)", "it is so for all"),
    member("exists", "list.exists(x, x > 1)", "it is so for at least one"),
    member("exists_one", "list.exists_one(x, x > 1)", "it is so for exactly one"),
    member("filter", "list.filter(x, x > 1)", "those for which it is so"),
    member("map", "list.map(x, x * 2)", "what becomes of each"),
    member("getFullYear", "time.getFullYear(\"Europe/Berlin\")", "the year; UTC without a zone"),
    member("getMonth", "time.getMonth()", "0 is January"),
    member("getDate", "time.getDate()", "day of the month from 1"),
    member("getDayOfMonth", "time.getDayOfMonth()", "day of the month from 0"),
    member("getDayOfWeek", "time.getDayOfWeek()", "0 is Sunday"),
    member("getDayOfYear", "time.getDayOfYear()", "day of the year from 0"),
    member("getHours", "time.getHours(\"Europe/Berlin\")", "hour of the day; all of a duration"),
    member("getMinutes", "time.getMinutes()", "minute of the hour; all of a duration"),
    member("getSeconds", "time.getSeconds()", "second of the minute; all of a duration"),
    member("getMilliseconds", "time.getMilliseconds()", "thousandths within the second"),
];

/// All that a condition may name.
#[derive(Debug)]
pub struct Schema {
    pub fields: &'static [FieldRow],
    pub functions: &'static [FunctionRow],
}

static SCHEMA: Schema = Schema { fields: FIELDS, functions: FUNCTIONS };

pub fn schema() -> &'static Schema {
    &SCHEMA
}

impl Schema {
    pub fn field(&self, root: Root, name: &str) -> Option<&'static FieldRow> {
        FIELDS.iter().find(|row| row.root == root && row.name == name)
    }

    /// The fields below `context.place` and its like; empty if `name` is no group.
    pub fn group(&self, root: Root, name: &str) -> Vec<&'static FieldRow> {
        let below = |row: &&FieldRow| {
            row.root == root
                && row.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
        };
        FIELDS.iter().filter(below).collect()
    }

    /// What a writer of `root.name` probably meant.
    pub(crate) fn suggest_field(&self, root: Root, name: &str) -> Option<String> {
        let own = FIELDS.iter().filter(|row| row.root == root);
        if let Some(near) = text::nearest(name, own.map(|row| row.name)) {
            return Some(format!("{}.{near}", root.name()));
        }
        self.suggest_anywhere(name).or_else(|| {
            let open = root.open_map()?;
            Some(format!("{}.{open}.{name}", root.name()))
        })
    }

    /// The field of this very name under any variable.
    pub(crate) fn suggest_anywhere(&self, name: &str) -> Option<String> {
        let ends = |row: &&FieldRow| row.name.rsplit('.').next() == Some(name);
        FIELDS.iter().find(ends).map(FieldRow::path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_at_their_fields_number_and_names_are_unique() {
        for (at, row) in FIELDS.iter().enumerate() {
            assert_eq!(row.field as usize, at);
            assert!(!row.about.is_empty());
            let same = FIELDS.iter().filter(|other| other.path() == row.path());
            assert_eq!(same.count(), 1, "{}", row.path());
        }
    }

    #[test]
    fn every_open_map_is_in_the_table() {
        for root in Root::ALL {
            if let Some(name) = root.open_map() {
                assert_eq!(schema().field(root, name).map(|row| row.ty), Some(OPEN));
            }
        }
    }
}
