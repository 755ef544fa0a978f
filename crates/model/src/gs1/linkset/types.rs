//! The link types of the GS1 Web Vocabulary: what a link of a product may be for.
//!
//! This file is data. The names are GS1's; titles and descriptions are ours.

/// One link type: its name after `gs1:`, a title for a menu, and what is behind such a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkType {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
}

const fn of(name: &'static str, title: &'static str, description: &'static str) -> LinkType {
    LinkType { name, title, description }
}

/// Ascending by name, ignoring nothing: `find` searches it by halves.
#[rustfmt::skip]
pub static LINK_TYPES: &[LinkType] = &[
    of("activityIdeas", "Ideas", "What can be done with it, often for children"),
    of("allergenInfo", "Allergens", "Substances in it that some people must avoid"),
    of("appDownload", "App", "An app that goes with it"),
    of("backgroundInfo", "Background", "The story behind it"),
    of("brandHomepageClinical", "For professionals", "The brand's pages for health professionals"),
    of("brandHomepagePatient", "For patients", "The brand's pages for patients"),
    of("careersInfo", "Jobs", "Work at the organisation"),
    of("certificationInfo", "Certificates", "Certificates that it holds"),
    of("consumerHandlingStorageInfo", "Storage", "How to keep and handle it at home"),
    of("defaultLink", "Default", "Where to go when nothing else is asked for"),
    of("defaultLinkMulti", "Default by language or format", "Defaults told apart by the request"),
    of("dpp", "Product passport", "The digital product passport"),
    of("eifu", "Instructions for use", "Electronic instructions for use of a medical device"),
    of("epcis", "Event repository", "Where supply chain events about it can be asked for"),
    of("epil", "Patient leaflet", "The electronic leaflet for patients"),
    of("eventsInfo", "Events", "Events that it has to do with"),
    of("faqs", "Questions and answers", "Answers to what is asked most"),
    of("handledBy", "Handled by", "Another resolver or service that knows more"),
    of("hasRetailers", "Where to buy", "Shops that sell it"),
    of("homepage", "Organisation", "The organisation behind it"),
    of("ingredientsInfo", "Ingredients", "What is in it"),
    of("instructions", "Instructions", "How to assemble, use or look after it"),
    of("jws", "Signature", "A signed statement as JSON Web Signature"),
    of("leaveReview", "Write a review", "Where an owner's opinion can be left"),
    of("locationInfo", "Place", "About the place that is identified"),
    of("logisticsInfo", "Logistics", "What those who move and store it need"),
    of("loyaltyProgram", "Loyalty", "Points and rewards that come with it"),
    of("masterData", "Master data", "Structured facts about it for machines"),
    of("menuInfo", "Menu", "What a restaurant or canteen serves"),
    of("nutritionalInfo", "Nutrition", "Energy and nutrients in it"),
    of("openingHoursInfo", "Opening hours", "When the place is open"),
    of("paymentLink", "Pay", "Where it can be paid"),
    of("pip", "Product page", "The page about the product for everyone"),
    of("productSustainabilityInfo", "Sustainability", "How the product is made and recycled"),
    of("promotion", "Offer", "An offer that goes with it now"),
    of("purchaseSuppliesOrAccessories", "Supplies", "Supplies, spare parts and accessories"),
    of("quickStartGuide", "Quick start", "The first steps in short"),
    of("recallStatus", "Recall", "Whether it is being called back"),
    of("recipeInfo", "Recipes", "Recipes with it"),
    of("registerProduct", "Register", "Where an owner registers the purchase"),
    of("registryEntry", "Register entry", "Its entry in an official register"),
    of("relatedImage", "Picture", "A picture that goes with it"),
    of("relatedVideo", "Video", "A film that goes with it"),
    of("reportFound", "Found it", "Where a finder can report it"),
    of("review", "Reviews", "What others think of it"),
    of("safetyInfo", "Safety", "How to use it without harm"),
    of("scheduleTime", "Appointment", "Where a time can be booked"),
    of("serviceInfo", "Service", "Maintenance and repair"),
    of("smartLabel", "SmartLabel", "Its page in the SmartLabel programme"),
    of("smpc", "Product characteristics", "Summary of product characteristics of a medicine"),
    of("socialMedia", "Social media", "Where it is talked about"),
    of("statisticInfo", "Statistics", "Numbers about it"),
    of("subscribe", "Subscribe", "Where it can be had again and again, or news about it"),
    of("support", "Support", "Help with it"),
    of("sustainabilityInfo", "Sustainability of the maker", "How the organisation cares"),
    of("traceability", "Traceability", "Where it comes from and how it got here"),
    of("tutorial", "Tutorial", "Lessons in using it"),
    of("userAgreement", "Agreement", "Terms to read and sign"),
    of("verificationService", "Is it genuine", "Where its identity can be verified"),
    of("whatsInTheBox", "In the box", "Everything that the box should hold"),
];

/// The link type of this name, without `gs1:` in front.
pub fn find(name: &str) -> Option<&'static LinkType> {
    let index = LINK_TYPES.binary_search_by(|kind| kind.name.cmp(name)).ok()?;
    Some(&LINK_TYPES[index])
}
