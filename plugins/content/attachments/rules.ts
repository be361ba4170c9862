/**
 * The rules for attachments as data: what each is about, what happens unless the operator says otherwise. Non-job:
 * finding what they speak of (inspector.ts).
 *
 * A default of `reject` is for what no person mails to another by hand and which runs at a click; the rest gives points.
 */

/** What becomes of a message, from the least to the most. */
export const ACTIONS = ["ignore", "score", "drop", "hold", "reject"] as const;
export type Action = typeof ACTIONS[number];

export interface Rule {
  readonly action: Action;
  readonly points: number;
  /** For people: what was found. */
  readonly text: string;
}

export const RULES = {
  executable: { action: "reject", points: 8, text: "a program, by its content" },
  name: { action: "reject", points: 8, text: "a file name of a kind that runs" },
  type: { action: "reject", points: 5, text: "a type that is not wanted" },
  disguise: { action: "score", points: 4, text: "a name made to look like another" },
  mismatch: { action: "score", points: 3, text: "content of another kind than its type says" },
  script: { action: "score", points: 2, text: "a script, by its content" },
  macros: { action: "score", points: 4, text: "an Office document with macros" },
  pdfScript: { action: "score", points: 3, text: "a PDF that runs something" },
  encrypted: { action: "score", points: 3, text: "content that nobody can look into without a password" },
  opaque: { action: "ignore", points: 1, text: "an archive of a kind that is not looked into" },
  broken: { action: "score", points: 2, text: "an archive that says two things of what is in it" },
  limits: { action: "hold", points: 8, text: "an archive beyond the limits" },
  count: { action: "reject", points: 3, text: "more attachments than are taken" },
  size: { action: "reject", points: 3, text: "an attachment larger than is taken" },
  depth: { action: "reject", points: 3, text: "parts in parts, deeper than is taken" },
  ambiguous: { action: "score", points: 2, text: "parts that two programs read in two ways" },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as RuleName[];

/** One thing that a rule speaks of. */
export interface Finding {
  readonly rule: RuleName;
  /** The part's path, as PartHead has it; null: of the message. */
  readonly part: string | null;
  /** Where: the file's name, and inside of archives the names on the way, parted by " > ". Cut, controls escaped. */
  readonly where: string;
  /** What was found there. */
  readonly what: string;
}
