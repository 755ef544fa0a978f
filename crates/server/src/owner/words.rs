//! Plain words for what happened, in English and German. A table, so that a kind without words
//! shows in a test rather than on somebody's phone.

use engine::record::Because;
use model::alias::AliasKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
}

impl Language {
    pub fn named(locale: &str) -> Language {
        match locale.split('-').next() {
            Some("de") => Language::German,
            _ => Language::English,
        }
    }

    pub fn of<'a>(self, english: &'a str, german: &'a str) -> &'a str {
        match self {
            Language::English => english,
            Language::German => german,
        }
    }
}

/// Kind, English, German. `{}` is the product's name.
const SENTENCES: &[(&str, &str, &str)] = &[
    (
        "campaign.shown",
        "You were shown an ad or a mailing",
        "Dir wurde eine Anzeige oder Sendung gezeigt",
    ),
    (
        "campaign.clicked",
        "You followed one of our ads or mailings",
        "Du bist einer Anzeige oder Sendung von uns gefolgt",
    ),
    ("page.viewed", "You viewed a page", "Du hast eine Seite angesehen"),
    ("screen.viewed", "You viewed a screen of the app", "Du hast eine Ansicht der App geöffnet"),
    ("place.neared", "You came near one of our places", "Du kamst in die Nähe eines unserer Orte"),
    ("place.entered", "You entered one of our places", "Du hast einen unserer Orte betreten"),
    ("place.left", "You left one of our places", "Du hast einen unserer Orte verlassen"),
    ("product.viewed", "You looked at {}", "Du hast dir {} angesehen"),
    ("product.scanned", "You scanned the code of {}", "Du hast den Code von {} gescannt"),
    ("cart.added", "You put {} into the cart", "Du hast {} in den Warenkorb gelegt"),
    ("cart.removed", "You took {} out of the cart", "Du hast {} aus dem Warenkorb genommen"),
    ("cart.viewed", "You looked at your cart", "Du hast deinen Warenkorb angesehen"),
    ("checkout.started", "You began the checkout", "Du hast den Kauf begonnen"),
    (
        "checkout.step_viewed",
        "You saw a step of the checkout",
        "Du hast einen Schritt des Kaufs gesehen",
    ),
    (
        "checkout.step_completed",
        "You finished a step of the checkout",
        "Du hast einen Schritt des Kaufs erledigt",
    ),
    ("payment.entered", "You gave payment details", "Du hast Zahlungsdaten angegeben"),
    ("order.placed", "You ordered {}", "Du hast {} bestellt"),
    ("order.updated", "Your order was changed", "Deine Bestellung wurde geändert"),
    ("order.cancelled", "Your order was cancelled", "Deine Bestellung wurde storniert"),
    ("order.refunded", "Your order was refunded", "Deine Bestellung wurde erstattet"),
    ("parcel.scanned", "Your parcel was scanned on its way", "Dein Paket wurde unterwegs gescannt"),
    ("parcel.delivered", "Your parcel was delivered", "Dein Paket wurde zugestellt"),
    ("product.unboxed", "You opened the box of {}", "Du hast {} ausgepackt"),
    ("product.claimed", "You showed that {} is yours", "Du hast gezeigt, dass {} dir gehört"),
    ("product.powered_on", "{} was switched on", "{} wurde eingeschaltet"),
    ("product.connected", "{} was connected", "{} wurde verbunden"),
    ("product.installed", "{} was set up", "{} wurde eingerichtet"),
    ("product.used", "{} was used", "{} wurde benutzt"),
    ("product.reported", "{} reported how it is", "{} hat seinen Zustand gemeldet"),
    ("product.failed", "{} had an error", "{} hatte einen Fehler"),
    ("product.fixed", "An error of {} is gone", "Ein Fehler von {} ist behoben"),
    ("product.repaired", "{} was repaired", "{} wurde repariert"),
    ("product.recommended", "You recommended {}", "Du hast {} empfohlen"),
    ("product.reviewed", "You reviewed {}", "Du hast {} bewertet"),
    ("product.resold", "You passed {} on", "Du hast {} weitergegeben"),
    ("product.returned", "You gave {} back", "Du hast {} zurückgegeben"),
    ("product.recycled", "{} was recycled", "{} wurde recycelt"),
    ("help.asked", "You asked us for help", "Du hast uns um Hilfe gebeten"),
    ("help.answered", "One of us answered you", "Jemand von uns hat dir geantwortet"),
    ("offer.shown", "You were shown an offer", "Dir wurde ein Angebot gezeigt"),
    ("offer.clicked", "You opened an offer", "Du hast ein Angebot geöffnet"),
    ("offer.redeemed", "You redeemed an offer", "Du hast ein Angebot eingelöst"),
    ("menu.clicked", "You opened an item of the menu", "Du hast einen Menüpunkt geöffnet"),
    ("guide.viewed", "You opened a guide", "Du hast eine Anleitung geöffnet"),
    ("guide.completed", "You finished a guide", "Du hast eine Anleitung abgeschlossen"),
    ("referral.visited", "You followed a friend's link", "Du bist dem Link eines Freundes gefolgt"),
    ("consent.given", "You gave a permission", "Du hast eine Erlaubnis gegeben"),
    ("consent.withdrawn", "You withdrew a permission", "Du hast eine Erlaubnis zurückgenommen"),
    ("person.identified", "You told us who you are", "Du hast uns gesagt, wer du bist"),
    ("person.aliased", "Two of your names were joined", "Zwei deiner Namen wurden verbunden"),
    ("person.grouped", "You were added to an account", "Du wurdest einem Konto zugeordnet"),
    ("message.delivered", "A message reached you", "Eine Nachricht hat dich erreicht"),
    ("message.opened", "You opened a message", "Du hast eine Nachricht geöffnet"),
    (
        "message.clicked",
        "You followed a link in a message",
        "Du bist einem Link in einer Nachricht gefolgt",
    ),
    ("message.bounced", "A message did not reach you", "Eine Nachricht kam nicht an"),
    (
        "message.unsubscribed",
        "You asked for no more of these messages",
        "Du wolltest solche Nachrichten nicht mehr",
    ),
    ("products.searched", "You searched for products", "Du hast nach Produkten gesucht"),
    ("products.listed", "You looked at a list of products", "Du hast eine Produktliste angesehen"),
    (
        "products.filtered",
        "You narrowed a list of products",
        "Du hast eine Produktliste eingegrenzt",
    ),
    ("product.clicked", "You picked {} from a list", "Du hast {} aus einer Liste gewählt"),
    ("product.shared", "You shared {}", "Du hast {} geteilt"),
    ("cart.shared", "You shared your cart", "Du hast deinen Warenkorb geteilt"),
    ("coupon.entered", "You entered a coupon", "Du hast einen Gutschein eingegeben"),
    ("coupon.applied", "Your coupon was accepted", "Dein Gutschein wurde angenommen"),
    ("coupon.denied", "Your coupon was refused", "Dein Gutschein wurde abgelehnt"),
    ("coupon.removed", "You took a coupon back", "Du hast einen Gutschein entfernt"),
    ("wishlist.added", "You put {} on your wish list", "Du hast {} auf die Wunschliste gesetzt"),
    (
        "wishlist.removed",
        "You took {} off your wish list",
        "Du hast {} von der Wunschliste genommen",
    ),
    (
        "wishlist.moved",
        "You moved {} from your wish list to the cart",
        "Du hast {} von der Wunschliste in den Warenkorb gelegt",
    ),
    (
        "weather.observed",
        "The weather where you were was noted",
        "Das Wetter bei dir wurde notiert",
    ),
    ("step.done", "You finished a step", "Du hast einen Schritt erledigt"),
    ("timer.fired", "A waiting time was over", "Eine Wartezeit war vorbei"),
    ("product.bought", "You bought {}", "Du hast {} gekauft"),
    ("app.installed", "You installed the app", "Du hast die App installiert"),
    ("app.opened", "You opened the app", "Du hast die App geöffnet"),
    ("product.maintained", "{} had its service", "{} wurde gewartet"),
    ("product.shipped", "{} left for you", "{} ist unterwegs zu dir"),
    ("product.made", "{} was made", "{} wurde hergestellt"),
    (
        DECISION,
        "We chose what to show you about {}",
        "Wir haben ausgewählt, was wir dir zu {} zeigen",
    ),
];

/// Stands among the kinds for a decision that was shown.
pub const DECISION: &str = "decision.shown";

pub fn sentence(kind: &str, product: Option<&str>, language: Language) -> String {
    let product = product.unwrap_or(language.of("a product", "einem Produkt"));
    match SENTENCES.iter().find(|(own, _, _)| *own == kind) {
        Some((_, en, de)) => capital(&language.of(en, de).replace("{}", product)),
        None => {
            let words = kind.replace(['.', '_'], " ");
            format!("{}: {words}", language.of("It was noted", "Es wurde notiert"))
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// Why we believe that a name is this person's.
pub fn because(because: &Because, language: Language) -> String {
    match because {
        Because::First => language.of("it was the first of you", "er war der erste von dir").into(),
        Because::With(other) => {
            let other = alias_words(other.kind, language);
            match language {
                Language::English => format!("it came together with {other}"),
                Language::German => format!("er kam zusammen mit {other}"),
            }
        }
        Because::Merge => language
            .of("the company joined two records", "das Unternehmen hat zwei Akten verbunden")
            .into(),
    }
}

fn alias_words(kind: AliasKind, language: Language) -> &'static str {
    match kind {
        AliasKind::Anonymous => language.of("your browser", "deinem Browser"),
        AliasKind::Device => language.of("your phone", "deinem Telefon"),
        AliasKind::Phone => language.of("your phone number", "deiner Telefonnummer"),
        AliasKind::Email => language.of("your e-mail address", "deiner E-Mail-Adresse"),
        AliasKind::Loyalty => language.of("your loyalty number", "deiner Kundenkarte"),
        AliasKind::User => language.of("your customer number", "deiner Kundennummer"),
    }
}

/// What somebody of the company looked at.
pub fn looked_at(what: &str, language: Language) -> &'static str {
    match what {
        "profile" => language.of("your profile", "dein Profil"),
        "timeline" => language
            .of("what happened with you and your products", "was mit dir und deinen Produkten war"),
        "bond" => {
            language.of("how you and a product of yours stand", "wie du zu einem Produkt stehst")
        }
        _ => language.of("what you are connected with", "womit du verbunden bist"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words() {
        for (_, kind, _) in model::kind::STANDARD {
            assert!(SENTENCES.iter().any(|(own, _, _)| own == kind), "{kind}");
        }
    }

    #[test]
    fn a_sentence_names_the_product() {
        let german = Language::named("de-at");
        let text = sentence("product.scanned", Some("EverPrint 3"), german);
        assert_eq!(text, "Du hast den Code von EverPrint 3 gescannt");
        let english = Language::named("fr");
        assert_eq!(sentence("product.used", None, english), "A product was used");
        assert_eq!(sentence("coffee.brewed", None, english), "It was noted: coffee brewed");
    }
}
