/**
 * The content rules as data: a name, points, and what to look at. Few, each checkable without doubt in linear time:
 * everything cleverer belongs to a scanner. Non-job: thresholds (mod.ts), reading the body (body_scan.ts).
 */

/** What a message is judged by beside its body. */
export interface Facts {
  /** Value of the first field of that name, cut at 1,000 characters. */
  header(name: string): string | undefined;
  /** A plugin before has judged the header's form already. */
  readonly formJudged: boolean;
  /** The SPF result, when a plugin before has asked for it. */
  readonly spf: string | undefined;
}
export type Rule =
  & { readonly points: number; readonly text: string }
  & (
    | { /** ASCII, at most 128 octets long, linear. */ readonly body: string | RegExp }
    | { readonly when: (facts: Facts) => boolean }
  );

export const RULES = {
  gtube: {
    points: 1000,
    text: "the test line for spam filters",
    // In two parts, so that no filter takes this file for spam.
    body: "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
  },
  spf_fail: { points: 4, text: "SPF says the sender may not use this address", when: ({ spf }) => spf === "fail" },
  spf_softfail: { points: 1.5, text: "SPF says the sender should not", when: ({ spf }) => spf === "softfail" },
  spf_permerror: { points: 0.5, text: "the domain's SPF record is broken", when: ({ spf }) => spf === "permerror" },
  no_message_id: { points: 1, text: "no Message-ID", when: ({ header }) => !header("message-id") },
  no_date: { points: 1, text: "no Date", when: ({ header, formJudged }) => !formJudged && !header("date") },
  no_subject: { points: 0.5, text: "no subject", when: ({ header }) => !header("subject") },
  no_visible_recipient: {
    points: 0.5,
    text: "neither To nor Cc",
    when: ({ header }) => header("to") === undefined && header("cc") === undefined,
  },
  subject_all_caps: {
    points: 1,
    text: "the subject is all capitals",
    when: ({ header }) => isShouted(header("subject") ?? ""),
  },
  false_reply: {
    points: 0.5,
    text: "the subject begins with Re: but the message answers none",
    when: ({ header }) =>
      /^re:/i.test(header("subject") ?? "") && header("in-reply-to") === undefined &&
      header("references") === undefined,
  },
  address_in_name: {
    points: 1.5,
    text: "the name in From shows another domain's address",
    when: ({ header }) => namesAnotherDomain(header("from") ?? ""),
  },
  html_only: {
    points: 0.5,
    text: "HTML without a text beside it",
    when: ({ header }) => /^text\/html\b/i.test(header("content-type") ?? ""),
  },
  nul_in_body: { points: 1.5, text: "a NUL in the body", body: "\0" },
  url_with_ip: {
    points: 1.5,
    text: "a link to a bare IP address",
    body: /https?:\/\/(?:\d{1,3}\.){3}\d{1,3}(?=[\s:\/?#"'<>)])/i,
  },
} as const satisfies { readonly [name: string]: Rule };

export type RuleName = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as readonly RuleName[];

/** At least ten letters in two words, and no small one. An encoded-word is not looked into. */
function isShouted(subject: string): boolean {
  if (subject.includes("=?") || subject !== subject.toUpperCase() || !/\S\s+\S/.test(subject.trim())) return false;
  let letters = 0;
  for (const char of subject) if (char !== char.toLowerCase()) letters++;
  return letters >= 10;
}

/** `"service@bank.example" <x@other.example>`. */
function namesAnotherDomain(from: string): boolean {
  const open = from.lastIndexOf("<");
  if (open < 0) return false;
  const shown = /[^\s"'<>(),;:@]@([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8})/i.exec(from.slice(0, open))?.[1];
  const real = /@([^\s<>@]+)>/.exec(from.slice(open))?.[1];
  return shown !== undefined && real !== undefined && shown.toLowerCase() !== real.toLowerCase();
}
