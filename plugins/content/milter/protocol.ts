/**
 * The numbers and letters of the milter protocol, versions 2 to 6, by names of ours: there is no RFC, libmilter's headers
 * are the reference. Non-job: packets (packets.ts), who may say what when (session.ts).
 */
import { EngineError } from "../engine_error.ts";

/** What a milter may ask for at the end of a message. */
export const ACTIONS = {
  addHeaders: 0x01,
  changeBody: 0x02,
  addRecipients: 0x04,
  deleteRecipients: 0x08,
  changeHeaders: 0x10,
  quarantine: 0x20,
  changeSender: 0x40,
  addRecipientsWithParameters: 0x80,
  chooseMacros: 0x100,
} as const;

/** What a milter may leave out, not answer, or have in another way. */
export const STEPS = {
  noConnect: 0x01,
  noHelo: 0x02,
  noMail: 0x04,
  noRcpt: 0x08,
  noBody: 0x10,
  noHeaders: 0x20,
  noEndOfHeaders: 0x40,
  silentHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  refusedRecipients: 0x800,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRcpt: 0x8000,
  silentData: 0x1_0000,
  silentUnknown: 0x2_0000,
  silentEndOfHeaders: 0x4_0000,
  silentBody: 0x8_0000,
  leadingSpace: 0x10_0000,
  chunks256K: 0x1000_0000,
  chunks1M: 0x2000_0000,
} as const;

/** Steps that no answer comes to. A milter that keeps silent where it did not say so is one that hangs. */
export const SILENT: number = STEPS.silentHeader | STEPS.silentConnect | STEPS.silentHelo | STEPS.silentMail |
  STEPS.silentRcpt | STEPS.silentData | STEPS.silentUnknown | STEPS.silentEndOfHeaders | STEPS.silentBody;

/** What a server says. */
export const COMMANDS = {
  abort: "A",
  body: "B",
  connect: "C",
  macros: "D",
  endOfMessage: "E",
  helo: "H",
  quitAndStay: "K",
  header: "L",
  mail: "M",
  endOfHeaders: "N",
  negotiate: "O",
  quit: "Q",
  rcpt: "R",
  data: "T",
} as const;

/** Moments at which macros are sent, by the number under which a milter may choose them. */
export const MACRO_STAGES = ["connect", "helo", "mail", "rcpt", "data", "endOfMessage", "endOfHeaders"] as const;
/** A moment at which macros are sent. */
export type MacroStage = typeof MACRO_STAGES[number];

/** A milter that says what it should not. */
export class MilterError extends EngineError {}
