//! The choice of a link for a request: link type, context, language, media type, in this order.
//! Preferences come with weights (RFC 9110 section 12), kept in thousandths so that no
//! floating-point comparison decides.

use super::{LINKSET_MEDIA_TYPE, Link, normal_rel};

/// What a request says about the link it wants. Headers as they came, or `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkRequest<'a> {
    /// The `linkType` query parameter.
    pub link_type: Option<&'a str>,
    /// The `context` query parameter.
    pub context: Option<&'a str>,
    /// The `Accept-Language` header.
    pub accept_language: Option<&'a str>,
    /// The `Accept` header.
    pub accept: Option<&'a str>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// The linkset document itself.
    Linkset,
    /// Redirect to this one.
    One(&'a Link),
    /// Several fit equally well: 300 Multiple Choices.
    Many(Vec<&'a Link>),
    /// There are links, but none of the type asked for: 404.
    NoneOfType,
    /// No type was asked for and there is no default link.
    NoDefault,
}

/// How well a link fits: context, language, media type; each 0 for "does not".
type Fit = (u32, u32, u32);

/// Fits because nothing speaks for it or against it.
const NEUTRAL: u32 = 1;

/// Chooses among the links of one item.
pub fn choose<'a>(links: &'a [Link], request: &LinkRequest<'_>) -> Choice<'a> {
    let link_type = request.link_type.filter(|text| !text.is_empty()).map(normal_rel);
    // `all` is what versions before 1.0 of the standard called it.
    let wants_linkset = matches!(link_type.as_deref(), Some("linkset" | "all" | "gs1:all"));
    if wants_linkset || accepts_linkset(request.accept, link_type.is_some()) {
        return Choice::Linkset;
    }
    match link_type.as_deref() {
        None | Some("gs1:defaultLink" | "gs1:defaultLinkMulti") => choose_default(links, request),
        Some(rel) => {
            let best = best_of(links, rel, request);
            match best.as_slice() {
                [] => Choice::NoneOfType,
                [(_, link)] => Choice::One(link),
                many => Choice::Many(many.iter().map(|(_, link)| *link).collect()),
            }
        }
    }
}

/// A default that fits the request in every respect, else the one default.
fn choose_default<'a>(links: &'a [Link], request: &LinkRequest<'_>) -> Choice<'a> {
    let multi = best_of(links, "gs1:defaultLinkMulti", request);
    if let [((context, language, media), link)] = multi.as_slice()
        && *context > 0
        && *language > 0
        && *media > 0
    {
        return Choice::One(link);
    }
    let single = links.iter().find(|link| normal_rel(&link.rel) == "gs1:defaultLink");
    match single.or(multi.first().map(|(_, link)| *link)) {
        Some(link) => Choice::One(link),
        None => Choice::NoDefault,
    }
}

/// The links of this relation that fit best; more than one when they fit equally.
fn best_of<'a>(links: &'a [Link], rel: &str, request: &LinkRequest<'_>) -> Vec<(Fit, &'a Link)> {
    let of_type = links.iter().filter(|link| normal_rel(&link.rel) == rel);
    let fits: Vec<(Fit, &Link)> = of_type.map(|link| (fit(link, request), link)).collect();
    let best = fits.iter().map(|(fit, _)| *fit).max();
    fits.into_iter().filter(|(fit, _)| Some(*fit) == best).collect()
}

fn fit(link: &Link, request: &LinkRequest<'_>) -> Fit {
    let context = match request.context {
        None => u32::from(link.context.is_empty()) + NEUTRAL,
        Some(_) if link.context.is_empty() => NEUTRAL,
        Some(wanted) if link.context.iter().any(|one| one.eq_ignore_ascii_case(wanted)) => 2,
        Some(_) => 0,
    };
    let language = match request.accept_language {
        Some(header) if !link.hreflang.is_empty() => {
            let fits = link.hreflang.iter().map(|language| language_fit(header, language));
            fits.max().unwrap_or(NEUTRAL)
        }
        _ => NEUTRAL,
    };
    let media = match (request.accept, &link.media_type) {
        (Some(header), Some(media_type)) => media_fit(header, media_type),
        _ => NEUTRAL,
    };
    (context, language, media)
}

/// The items of a header with their weights in thousandths; what cannot be read is left out.
fn weighted(header: &str) -> impl Iterator<Item = (&str, u32)> {
    header.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?;
        let weight = parts.find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
        });
        Some((name, weight.map_or(Some(1000), thousandths)?))
    })
}

/// `0.8` as 800. RFC 9110 allows three digits after the point and nothing over 1.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !matches!(whole, "0" | "1") || rest.len() > 3 || !digits(rest) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let rest: u32 = format!("{rest:0<3}").parse().ok()?;
    Some((whole * 1000 + rest).min(1000))
}

/// Weight times four, and up to three for how exactly the language was named. The most exact range
/// decides, so that `de-CH;q=0` takes `de-CH` out although `de` is wanted.
fn language_fit(header: &str, language: &str) -> u32 {
    let exactness = |range: &str| {
        if range == "*" {
            return Some(0);
        }
        let begins = |long: &str, short: &str| {
            long.get(..short.len()).is_some_and(|start| start.eq_ignore_ascii_case(short))
                && long.as_bytes().get(short.len()) == Some(&b'-')
        };
        if range.eq_ignore_ascii_case(language) {
            Some(3)
        } else if begins(range, language) {
            Some(2)
        } else {
            begins(language, range).then_some(1)
        }
    };
    most_exact(header, exactness)
}

/// The same for media types; parameters of a type are not compared.
fn media_fit(header: &str, media_type: &str) -> u32 {
    let kind = media_type.split('/').next().unwrap_or_default();
    let exactness = |range: &str| {
        if range == "*/*" {
            return Some(1);
        }
        if range.eq_ignore_ascii_case(media_type) {
            return Some(3);
        }
        range.strip_suffix("/*").filter(|range| range.eq_ignore_ascii_case(kind)).map(|_| 2)
    };
    most_exact(header, exactness)
}

fn most_exact(header: &str, exactness: impl Fn(&str) -> Option<u32>) -> u32 {
    let matches = weighted(header).filter_map(|(range, q)| Some((exactness(range)?, q)));
    match matches.max() {
        Some((exactness, q)) if q > 0 => q * 4 + exactness,
        _ => 0,
    }
}

/// Is the linkset wanted? `application/linkset+json` says so when nothing is wanted more; JSON in
/// general says so when no link type is asked for and a page is not wanted as much.
fn accepts_linkset(accept: Option<&str>, has_link_type: bool) -> bool {
    let Some(accept) = accept else {
        return false;
    };
    let weight = |wanted: &str| {
        let named = weighted(accept).filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.map(|(_, q)| q).max().unwrap_or(0)
    };
    let html = weight("text/html").max(weight("application/xhtml+xml"));
    let linkset = weight(LINKSET_MEDIA_TYPE);
    if linkset > 0 && linkset >= html {
        return true;
    }
    let json = weight("application/json").max(weight("application/ld+json"));
    !has_link_type && json > 0 && json > html
}

/// The target with the query of the request after it, which the standard asks for on redirects:
/// it may hold attributes such as an expiry date. `linkType` and `context` were for the resolver
/// and are passed on like the rest.
pub fn forward_query(href: &str, query: &str) -> String {
    let (target, fragment) = match href.split_once('#') {
        Some((target, fragment)) => (target, Some(fragment)),
        None => (href, None),
    };
    let mut out = target.to_string();
    if !query.is_empty() {
        out.push(if target.contains('?') { '&' } else { '?' });
        out.push_str(query);
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(fragment);
    }
    out
}
