//! From the names that others give to what happened ("Order Completed") to kinds of touches.
//!
//! Names are compared in their plain form, lower-case words joined by underscores, so that
//! `Order Completed`, `order completed` and `OrderCompleted` are one. A company's own pairs win
//! over the table. What is in neither becomes `event.its_plain_name`: nothing is lost.

use std::collections::BTreeMap;

use model::id::Digest;
use model::kind::Kind;
use model::limits;

use super::Bad;

/// What Segment's e-commerce, e-mail and mobile specifications call it, in plain form and in
/// alphabetical order, and the kind it is. The older names ("Completed Order") are still sent.
pub const STANDARD_EVENTS: &[(&str, &str)] = &[
    ("added_product", "cart.added"),
    ("application_installed", "app.installed"),
    ("application_opened", "app.opened"),
    ("cart_shared", "cart.shared"),
    ("cart_viewed", "cart.viewed"),
    ("checkout_started", "checkout.started"),
    ("checkout_step_completed", "checkout.step_completed"),
    ("checkout_step_viewed", "checkout.step_viewed"),
    ("clicked_product", "product.clicked"),
    ("clicked_promotion", "campaign.clicked"),
    ("completed_checkout_step", "checkout.step_completed"),
    ("completed_order", "order.placed"),
    ("coupon_applied", "coupon.applied"),
    ("coupon_denied", "coupon.denied"),
    ("coupon_entered", "coupon.entered"),
    ("coupon_removed", "coupon.removed"),
    ("email_bounced", "message.bounced"),
    ("email_delivered", "message.delivered"),
    ("email_link_clicked", "message.clicked"),
    ("email_opened", "message.opened"),
    ("order_cancelled", "order.cancelled"),
    ("order_completed", "order.placed"),
    ("order_refunded", "order.refunded"),
    ("order_updated", "order.updated"),
    ("payment_info_entered", "payment.entered"),
    ("product_added", "cart.added"),
    ("product_added_to_wishlist", "wishlist.added"),
    ("product_clicked", "product.clicked"),
    ("product_list_filtered", "products.filtered"),
    ("product_list_viewed", "products.listed"),
    ("product_removed", "cart.removed"),
    ("product_removed_from_wishlist", "wishlist.removed"),
    ("product_reviewed", "product.reviewed"),
    ("product_shared", "product.shared"),
    ("product_viewed", "product.viewed"),
    ("products_searched", "products.searched"),
    ("promotion_clicked", "campaign.clicked"),
    ("promotion_viewed", "campaign.shown"),
    ("push_notification_bounced", "message.bounced"),
    ("push_notification_received", "message.delivered"),
    ("push_notification_tapped", "message.clicked"),
    ("removed_product", "cart.removed"),
    ("searched_products", "products.searched"),
    ("unsubscribed", "message.unsubscribed"),
    ("viewed_checkout_step", "checkout.step_viewed"),
    ("viewed_product", "product.viewed"),
    ("viewed_product_category", "products.listed"),
    ("viewed_promotion", "campaign.shown"),
    ("wishlist_product_added_to_cart", "wishlist.moved"),
];

/// How one company's events are read.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// From the plain name.
    own: BTreeMap<Box<str>, Kind>,
    /// Of amounts that come without one; Segment's specification says US dollars.
    pub currency: [u8; 3],
}

impl Default for Mapping {
    fn default() -> Mapping {
        Mapping { own: BTreeMap::new(), currency: *b"USD" }
    }
}

/// The kind of an event, and whether its name says more than the kind does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    pub kind: Kind,
    pub keep_name: bool,
}

impl Mapping {
    /// From pairs of an event's name and a kind; the first pair that cannot be is the error.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Mapping, Bad> {
        let mut mapping = Mapping::default();
        for (name, kind) in pairs {
            let plain = plain_name(name);
            let at: String = name.chars().take(40).collect();
            if plain.is_empty() {
                let detail = "an event's name has at least one letter or digit";
                return Err(Bad::new("bad_mapping", at, detail, "give the name as it is sent"));
            }
            let Some(kind) = Kind::new(kind) else {
                let detail = "this is not the name of a kind";
                let hint = "a kind is a noun and a verb in the past tense, such as product.used";
                return Err(Bad::new("bad_mapping", at, detail, hint));
            };
            mapping.own.insert(plain.into(), kind);
        }
        Ok(mapping)
    }

    pub fn kind(&self, event: &str) -> Mapped {
        let plain = plain_name(event);
        if let Some(kind) = self.own.get(plain.as_str()) {
            return Mapped { kind: kind.clone(), keep_name: true };
        }
        let row = STANDARD_EVENTS.binary_search_by(|(name, _)| (*name).cmp(&plain));
        if let Ok(row) = row {
            return Mapped { kind: Kind::of(STANDARD_EVENTS[row].1), keep_name: false };
        }
        // Some call their events as we call kinds.
        match Kind::new(event) {
            Some(kind) => Mapped { kind, keep_name: false },
            None => Mapped { kind: event_kind(event, &plain), keep_name: true },
        }
    }
}

/// `event.plain_name`; what has no such name, or too long a one, ends in a digest of it.
fn event_kind(event: &str, plain: &str) -> Kind {
    const PREFIX: &str = "event.";
    let starts_well = plain.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let body =
        if starts_well || plain.is_empty() { plain.to_owned() } else { format!("e_{plain}") };
    let room = limits::KIND_BYTES - PREFIX.len();
    let name = if body.is_empty() || body.len() > room {
        let digest = format!("{:08x}", Digest::of(&[b"event", event.as_bytes()]).0 >> 96);
        let body = &body[..body.len().min(room - digest.len() - 2)];
        let body = if body.is_empty() { "e" } else { body.trim_end_matches('_') };
        format!("{PREFIX}{body}_{digest}")
    } else {
        format!("{PREFIX}{body}")
    };
    Kind::new(&name).expect("it is made of lower-case letters, digits and underscores")
}

/// Lower-case ASCII words joined by single underscores. A capital after a small letter begins a
/// word; common Latin letters lose their marks, and every other character separates words.
pub fn plain_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    let mut gap = false;
    for c in name.chars() {
        let ascii = c.is_ascii_alphanumeric();
        let letters = if ascii { "" } else { without_marks(c) };
        if !ascii && letters.is_empty() {
            gap = true;
            continue;
        }
        if (gap || (c.is_uppercase() && after_small)) && !out.is_empty() {
            out.push('_');
        }
        gap = false;
        after_small = !c.is_uppercase();
        if ascii {
            out.push(c.to_ascii_lowercase());
        } else {
            out.push_str(letters);
        }
    }
    out
}

/// The letters that stand for one beyond ASCII; none if it separates words.
fn without_marks(c: char) -> &'static str {
    match c {
        'ä' | 'Ä' | 'æ' | 'Æ' => "ae",
        'ö' | 'Ö' | 'ø' | 'Ø' | 'œ' | 'Œ' => "oe",
        'ü' | 'Ü' => "ue",
        'ß' | 'ẞ' => "ss",
        'à'..='ã' | 'å' | 'À'..='Ã' | 'Å' => "a",
        'ç' | 'Ç' => "c",
        'è'..='ë' | 'È'..='Ë' => "e",
        'ì'..='ï' | 'Ì'..='Ï' => "i",
        'ñ' | 'Ñ' => "n",
        'ò'..='õ' | 'Ò'..='Õ' => "o",
        'ù'..='û' | 'Ù'..='Û' => "u",
        'ý' | 'ÿ' | 'Ý' => "y",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(event: &str) -> String {
        Mapping::default().kind(event).kind.to_string()
    }

    #[test]
    fn the_table_is_sorted_and_names_standard_kinds() {
        assert!(STANDARD_EVENTS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, kind) in STANDARD_EVENTS {
            assert_eq!(plain_name(name), *name);
            assert!(Kind::standard(kind).is_some(), "{kind}");
        }
    }

    #[test]
    fn spelling_does_not_matter() {
        for event in ["Order Completed", "order completed", "OrderCompleted", "ORDER-COMPLETED "] {
            assert_eq!(kind(event), "order.placed", "{event}");
        }
        assert_eq!(kind("Completed Order"), "order.placed");
        assert_eq!(kind("Product Added to Wishlist"), "wishlist.added");
    }

    #[test]
    fn what_is_not_in_the_table_keeps_its_name() {
        let names = [
            ("User Registered", "event.user_registered"),
            ("userSignedUp", "event.user_signed_up"),
            ("Kaffee gebrüht!", "event.kaffee_gebrueht"),
            ("2nd Visit", "event.e_2nd_visit"),
            ("  Ünïcode — señor  ", "event.uenicode_senor"),
            ("product.used", "product.used"),
            ("coffee.brewed", "coffee.brewed"),
        ];
        for (event, name) in names {
            assert_eq!(kind(event), name, "{event}");
        }
        assert!(kind("注文").starts_with("event.e_"));
        assert_ne!(kind("注文"), kind("完了"));
        let long = "Very ".repeat(30);
        assert_eq!(kind(&long).len(), limits::KIND_BYTES - 1);
        assert_ne!(kind(&long), kind(&(long + "Long")));
    }

    #[test]
    fn a_company_extends_the_table_and_wins() {
        let pairs = [("Coffee Brewed", "product.used"), ("Order Completed", "order.updated")];
        let mapping = Mapping::new(pairs).unwrap();
        let mapped = mapping.kind("coffee brewed");
        assert_eq!((mapped.kind.as_str(), mapped.keep_name), ("product.used", true));
        assert_eq!(mapping.kind("Order Completed").kind.as_str(), "order.updated");
        assert_eq!(mapping.kind("Product Viewed").kind.as_str(), "product.viewed");
        assert_eq!(Mapping::new([("X", "Not A Kind")]).unwrap_err().code, "bad_mapping");
        assert_eq!(Mapping::new([("!", "product.used")]).unwrap_err().code, "bad_mapping");
    }
}
