/**
 * Short names for the shapes in `schema.ts`. Types only: importing this adds no byte to a bundle.
 */
import type { components } from "./schema.ts";

type Schemas = components["schemas"];

export type Alias = Schemas["Alias"];
export type Bond = Schemas["Bond"];
export type Conversation = Schemas["Conversation"];
export type Content = Schemas["Content"];
export type Decision = Schemas["Decision"];
export type Guide = Schemas["Guide"];
export type GuideStep = Schemas["GuideStep"];
export type HelpSent = Schemas["HelpSent"];
export type Lookup = Schemas["Lookup"];
export type Me = Schemas["Me"];
export type MenuItem = Schemas["MenuItem"];
export type Message = Schemas["Message"];
export type Money = Schemas["Money"];
export type MyBond = Schemas["MyBond"];
export type Offer = Schemas["Offer"];
export type OfferValue = Schemas["OfferValue"];
export type OwnTouch = Schemas["OwnTouch"];
export type Page = Schemas["Page"];
export type Parcel = Schemas["Parcel"];
export type Permission = Schemas["Permission"];
export type Problem = Schemas["Problem"];
export type Product = Schemas["Product"];
export type Question = Schemas["Question"];
export type Reason = Schemas["Reason"];
export type Receipt = Schemas["Receipt"];
export type Referral = Schemas["Referral"];
export type Said = Schemas["Said"];
export type Session = Schemas["Session"];
export type StageStep = Schemas["StageStep"];
export type Step = Schemas["Step"];
export type Supply = Schemas["Supply"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type Why = Schemas["Why"];
export type WhyItem = Schemas["WhyItem"];
export type Wiped = Schemas["Wiped"];
