//! Kinds of touches: `noun.verb` in the past tense. The standard ones have a stored number, so
//! that a log record holds one byte or two; any other name of the same form is kept as text.

use crate::bytes::{Corrupt, Reader, Writer};
use crate::limits;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(Repr);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Standard(u16),
    Own(Box<str>),
}

/// Number, name, what it means. Numbers are stored for ever; new ones go to the end.
pub const STANDARD: &[(u16, &str, &str)] = &[
    (1, "campaign.shown", "an ad or mailing of a campaign was seen"),
    (2, "campaign.clicked", "it was clicked or its code scanned"),
    (3, "page.viewed", "a page was viewed"),
    (4, "screen.viewed", "a screen of an app was viewed"),
    (5, "place.neared", "the person came near a place"),
    (6, "place.entered", "the person entered a place"),
    (7, "place.left", "the person left a place"),
    (8, "product.viewed", "a product's page was viewed"),
    (9, "product.scanned", "a product's code was scanned"),
    (10, "cart.added", "a product was put into the cart"),
    (11, "cart.removed", "a product was taken out of the cart"),
    (12, "cart.viewed", "the cart was viewed"),
    (13, "checkout.started", "the checkout was begun"),
    (14, "checkout.step_viewed", "a step of the checkout was seen"),
    (15, "checkout.step_completed", "a step of the checkout was done"),
    (16, "payment.entered", "payment details were given"),
    (17, "order.placed", "an order was placed and is binding"),
    (18, "order.updated", "an order was changed"),
    (19, "order.cancelled", "an order was cancelled"),
    (20, "order.refunded", "an order was refunded"),
    (21, "parcel.scanned", "a parcel was scanned on its way"),
    (22, "parcel.delivered", "a parcel was delivered"),
    (23, "product.unboxed", "the box was opened"),
    (24, "product.claimed", "the person showed that the product is theirs"),
    (25, "product.powered_on", "the product was switched on"),
    (26, "product.connected", "the product was connected"),
    (27, "product.installed", "the product was installed and works"),
    (28, "product.used", "the product was used"),
    (29, "product.reported", "the product reported its state"),
    (30, "product.failed", "the product reported or showed an error"),
    (31, "product.fixed", "an error is gone"),
    (32, "product.repaired", "the product was repaired"),
    (33, "product.recommended", "the person recommended the product"),
    (34, "product.reviewed", "the person reviewed the product"),
    (35, "product.resold", "the product was sold on; the bond ends"),
    (36, "product.returned", "the product was given back; the bond ends"),
    (37, "product.recycled", "the product was recycled; the bond ends"),
    (38, "help.asked", "the person asked for a human"),
    (39, "help.answered", "a human answered"),
    (40, "offer.shown", "an offer was seen"),
    (41, "offer.clicked", "an offer was opened"),
    (42, "offer.redeemed", "an offer's code was redeemed"),
    (43, "menu.clicked", "a menu item was opened"),
    (44, "guide.viewed", "a guide was opened"),
    (45, "guide.completed", "a guide was followed to its end"),
    (46, "referral.visited", "somebody followed a personal link"),
    (47, "consent.given", "a permission was given"),
    (48, "consent.withdrawn", "a permission was withdrawn"),
    (49, "person.identified", "the person said who they are"),
    (50, "person.aliased", "two names were said to be one person's"),
    (51, "person.grouped", "the person was said to belong to an account"),
    (52, "message.delivered", "a message reached an address"),
    (53, "message.opened", "a message was opened"),
    (54, "message.clicked", "a link in a message was followed"),
    (55, "message.bounced", "a message could not be delivered"),
    (56, "message.unsubscribed", "the person wants no more of these"),
    (57, "products.searched", "products were searched"),
    (58, "products.listed", "a list of products was viewed"),
    (59, "products.filtered", "a list of products was filtered"),
    (60, "product.clicked", "a product in a list was clicked"),
    (61, "product.shared", "a product was shared"),
    (62, "cart.shared", "a cart was shared"),
    (63, "coupon.entered", "a coupon was entered"),
    (64, "coupon.applied", "a coupon was accepted"),
    (65, "coupon.denied", "a coupon was refused"),
    (66, "coupon.removed", "a coupon was taken back"),
    (67, "wishlist.added", "a product was put on the wish list"),
    (68, "wishlist.removed", "a product was taken off the wish list"),
    (69, "wishlist.moved", "a product went from the wish list to the cart"),
    (70, "weather.observed", "the weather at a place"),
    (71, "step.done", "a step of a journey was marked as done"),
    (72, "timer.fired", "a journey's timer came due"),
    (73, "product.bought", "the unit was sold to the person"),
    (74, "app.installed", "an app was installed"),
    (75, "app.opened", "an app was opened"),
    (76, "product.maintained", "the product had its service"),
    (77, "product.shipped", "the product left for its buyer"),
    (78, "product.made", "the product was made"),
];

/// The numbers of the standard kinds, each at or after the place that its name says; 0 is free.
/// Every touch that comes in looks here.
const SLOTS: [u8; 256] = {
    assert!(STANDARD.len() < 200, "make the table larger, and its numbers wider");
    let mut slots = [0; 256];
    let mut row = 0;
    while row < STANDARD.len() {
        let mut slot = slot_of(STANDARD[row].1.as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % slots.len();
        }
        slots[slot] = STANDARD[row].0 as u8;
        row += 1;
    }
    slots
};

/// From the length and four letters in which the names differ most.
const fn slot_of(name: &[u8]) -> usize {
    let len = name.len();
    if len < 8 {
        return 0;
    }
    let letters = u32::from_le_bytes([name[0], name[len - 2], name[len - 3], name[len - 4]]);
    ((letters ^ (len as u32) << 5).wrapping_mul(0xc2b2_ae35) >> 24) as usize
}

/// Some of the standard kinds, for code that asks of every touch whether it is one of them.
#[derive(Clone, Copy)]
pub struct Kinds([u64; 4]);

impl Kinds {
    /// # Panics
    /// When one of the names is not a standard kind's.
    pub const fn of(names: &[&str]) -> Kinds {
        let mut bits = [0; 4];
        let mut at = 0;
        while at < names.len() {
            let number = number_of(names[at].as_bytes());
            bits[number / 64] |= 1 << (number % 64);
            at += 1;
        }
        Kinds(bits)
    }

    pub const fn and(self, other: Kinds) -> Kinds {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Kinds([a | e, b | f, c | g, d | h])
    }

    #[inline]
    pub fn have(&self, kind: &Kind) -> bool {
        match &kind.0 {
            Repr::Standard(number) => {
                self.0[usize::from(number / 64) % 4] >> (number % 64) & 1 != 0
            }
            Repr::Own(_) => false,
        }
    }
}

const fn number_of(name: &[u8]) -> usize {
    let mut slot = slot_of(name);
    loop {
        assert!(SLOTS[slot] != 0, "only standard kinds are named in code");
        let row = &STANDARD[SLOTS[slot] as usize - 1];
        if is_same(row.1.as_bytes(), name) {
            return row.0 as usize;
        }
        slot = (slot + 1) % SLOTS.len();
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

impl Kind {
    /// Lower-case words joined by dots and underscores, at least one dot: `order.placed`.
    pub fn new(name: &str) -> Option<Kind> {
        if let Some(kind) = Kind::standard(name) {
            return Some(kind);
        }
        let good = name.len() <= limits::KIND_BYTES
            && name.contains('.')
            && name.split('.').all(|part| {
                part.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            });
        good.then(|| Kind(Repr::Own(name.into())))
    }

    pub fn standard(name: &str) -> Option<Kind> {
        let mut slot = slot_of(name.as_bytes());
        loop {
            let number = SLOTS[slot];
            if number == 0 {
                return None;
            }
            if STANDARD[usize::from(number) - 1].1 == name {
                return Some(Kind(Repr::Standard(u16::from(number))));
            }
            slot = (slot + 1) % SLOTS.len();
        }
    }

    /// For kinds that this code itself names.
    pub fn of(name: &'static str) -> Kind {
        Kind::standard(name).expect("only standard kinds are named in code")
    }

    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Standard(number) => STANDARD[usize::from(*number) - 1].1,
            Repr::Own(name) => name,
        }
    }

    /// The number of a standard kind.
    pub fn number(&self) -> Option<u16> {
        match &self.0 {
            Repr::Standard(number) => Some(*number),
            Repr::Own(_) => None,
        }
    }

    /// Those that have a number, in the order of the numbers from 1 on.
    pub fn all_standard() -> impl Iterator<Item = Kind> {
        STANDARD.iter().map(|row| Kind(Repr::Standard(row.0)))
    }

    pub fn write(&self, out: &mut Writer) {
        match &self.0 {
            Repr::Standard(number) => out.uint(u64::from(*number)),
            Repr::Own(name) => {
                out.uint(0);
                out.text(name);
            }
        }
    }

    pub fn read(input: &mut Reader<'_>) -> Result<Kind, Corrupt> {
        let number = input.uint()?;
        if number == 0 {
            return Ok(Kind(Repr::Own(input.text()?.into())));
        }
        if number > STANDARD.len() as u64 {
            return Err(Corrupt("a touch has an unknown kind number"));
        }
        Ok(Kind(Repr::Standard(number as u16)))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_places_and_names_are_unique() {
        for (at, (number, name, _)) in STANDARD.iter().enumerate() {
            assert_eq!(usize::from(*number), at + 1);
            assert_eq!(Kind::new(name).expect("valid").as_str(), *name);
        }
        let mut names: Vec<_> = STANDARD.iter().map(|row| row.1).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STANDARD.len());
    }

    #[test]
    fn a_standard_kind_is_found_with_few_comparisons() {
        let far = |name: &str| {
            let number = Kind::standard(name).map(|kind| kind.0);
            let at = SLOTS.iter().position(|own| number == Some(Repr::Standard((*own).into())));
            let from = slot_of(name.as_bytes());
            (at.expect("every kind has a slot") + SLOTS.len() - from) % SLOTS.len()
        };
        let most = STANDARD.iter().map(|row| far(row.1)).max();
        assert!(most <= Some(4), "{most:?}");
        assert_eq!(Kind::standard("product.usee"), None);
        assert_eq!(Kind::standard(""), None);
    }

    #[test]
    fn some_kinds_are_those_that_were_named() {
        const SOME: Kinds = Kinds::of(&["campaign.shown", "page.viewed", "product.made"]);
        let names = ["campaign.shown", "page.viewed", "product.made"];
        assert!(STANDARD.iter().all(|row| SOME.have(&Kind::of(row.1)) == names.contains(&row.1)));
        assert!(!SOME.have(&Kind::new("coffee.brewed").unwrap()));
    }

    #[test]
    fn own_kinds_have_the_same_form() {
        assert!(Kind::new("coffee.brewed_2").is_some());
        for bad in ["Coffee.brewed", "coffee", "coffee.", ".brewed", "a b.c", "a.1b", ""] {
            assert_eq!(Kind::new(bad), None, "{bad}");
        }
    }
}
