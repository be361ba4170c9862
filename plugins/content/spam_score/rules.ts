/**
 * The rules that ship, as data; those that look for words are in phrase_rules.ts. Every pattern is linear: one repetition
 * with a bound, or none. How the points were found: docs/decisions/bayes.md. Non-job: thresholds (mod.ts), asking (judge.ts).
 */
import { PHRASE_RULES } from "./phrase_rules.ts";
import type { Rule } from "./rule.ts";

/** Counts the changes of this table. */
export const RULES_VERSION = 2;

export const RULES = {
  gtube: {
    points: 1000,
    text: "the test line for spam filters",
    in: "text",
    // In two parts, so that no filter takes this file for spam.
    matches: literal("XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"),
  },
  spf_fail: { points: 4, text: "SPF says the sender may not use this address", key: "spf", is: ["fail"] },
  spf_softfail: { points: 1.5, text: "SPF says the sender should not", key: "spf", is: ["softfail"] },
  spf_permerror: { points: 0.5, text: "the domain's SPF record is broken", key: "spf", is: ["permerror"] },
  dkim_fail: { points: 0.5, text: "it is signed, and no signature holds", key: "dkim", is: ["fail", "permerror"] },
  no_message_id: { points: 1, text: "no Message-ID", test: "no_message_id" },
  no_date: { points: 1, text: "no Date", test: "no_date" },
  no_subject: { points: 0.5, text: "no subject", test: "no_subject" },
  no_visible_recipient: { points: 0.3, text: "neither To nor Cc", test: "no_visible_recipient" },
  subject_all_caps: { points: 1, text: "the subject is all capitals", test: "subject_all_caps" },
  subject_gap: { points: 1.5, text: "the subject has a gap, and something behind it", test: "subject_gap" },
  subject_advertises: {
    points: 3,
    text: "the subject says that it is an advertisement",
    header: "subject",
    matches: /^\W{0,3}adv?\s?[:.]|\badv\.?\s?:?$/i,
  },
  subject_bangs: {
    points: 0.8,
    text: "the subject shouts with signs",
    header: "subject",
    matches: /!!|\?!|!\s?$|\${2}/,
  },
  subject_sells: {
    points: 1,
    text: "the subject is an offer",
    of: "subject",
    phrases: [
      "free",
      "save",
      "lowest",
      "guaranteed",
      "cash",
      "money",
      "earn",
      "debt",
      "credit",
      "mortgage",
      "rates",
      "insurance",
      "weight",
      "viagra",
      "sexy",
      "sex",
      "porn",
      "xxx",
      "girls",
      "teens",
      "winner",
      "won",
      "prize",
      "casino",
      "lottery",
      "million",
      "investment",
      "invest",
      "profit",
      "profits",
      "income",
      "urgent",
      "limited time",
      "act now",
      "pills",
      "pharmacy",
      "loan",
      "loans",
      "lose",
      "cheap",
      "bargain",
      "refinance",
      "inkjet",
      "toner",
      "leads",
      "bulk",
    ],
  },
  address_in_name: {
    points: 1.5,
    text: "the name in From shows another domain's address",
    test: "address_in_name",
  },
  from_number: { points: 0.8, text: "the sender's name is full of digits", test: "from_number" },
  many_recipients: { points: 0.5, text: "eight recipients or more in To", test: "many_recipients" },
  high_priority: { points: 0.5, text: "says of itself that it is urgent", header: "x-priority", matches: /^\s?[12]\b/ },
  html_only: { points: 0.5, text: "HTML without a text beside it", test: "html_only" },
  html_hidden: { points: 1, text: "HTML with text that nobody sees", test: "html_hidden" },
  html_colours: { points: 0.5, text: "HTML in many colours", test: "html_colours" },
  html_form: { points: 0.8, text: "HTML with a form", test: "html_form" },
  html_script: { points: 0.8, text: "HTML with a script", test: "html_script" },
  html_unbalanced: { points: 0.3, text: "HTML that is not closed", test: "html_unbalanced" },
  image_only: { points: 1, text: "pictures and hardly a word", test: "image_only" },
  link_lies: { points: 2, text: "a link shows one site and leads to another", test: "link_lies" },
  url_with_ip: { points: 2, text: "a link to a number instead of a name", test: "url_number" },
  url_user: { points: 1.5, text: "a link with a user name in it", test: "url_user" },
  url_port: { points: 0.5, text: "a link to an odd port", test: "url_port" },
  url_escaped: { points: 1.5, text: "a link with its host in code", test: "url_escaped" },
  mailto_remove: { points: 1, text: "a link that writes a letter to get off a list", test: "mailto_remove" },
  shouting: { points: 0.8, text: "a quarter of its letters are large", test: "shouting" },
  invisible_characters: { points: 1.5, text: "characters in words that nobody sees", test: "invisible_characters" },
  mixed_alphabets: { points: 1.5, text: "letters of two alphabets in one word", test: "mixed_alphabets" },
  money: { points: 0.8, text: "large sums of money", test: "money" },
  needless_base64: { points: 0.8, text: "plain text, coded so that nobody reads it", test: "needless_base64" },
  broken_mime: { points: 0.3, text: "its MIME structure is broken", test: "broken_mime" },
  nul_in_text: { points: 1.5, text: "a NUL in its text", in: "text", matches: literal("\0") },
  ...PHRASE_RULES,
} as const satisfies { readonly [name: string]: Rule };

export type RuleName = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

/** A text as it stands, in any place. */
function literal(text: string): { readonly source: string; test(where: string): boolean } {
  return { source: text, test: (where) => where.includes(text) };
}
