/**
 * The first words of both sides: which version, what the milter may ask for, which steps it leaves out or does not answer,
 * which macros it wants. Pure. Non-job: being held to it (session.ts).
 */
import { encodePacket, Fields } from "./packets.ts";
import { ACTIONS, COMMANDS, MACRO_STAGES, type MacroStage, MilterError, SILENT, STEPS } from "./protocol.ts";

/** Versions that a server may offer; 5 never left the house of its maker. */
export const VERSIONS = [2, 3, 4, 6] as const;
export type Version = typeof VERSIONS[number];

/** What an operator lets a milter do. */
export const PERMISSIONS = [
  "add_headers",
  "change_headers",
  "change_body",
  "change_sender",
  "add_recipients",
  "delete_recipients",
  "quarantine",
] as const;
export type Permission = typeof PERMISSIONS[number];

/** What this server says first. */
export interface Offer {
  readonly version: number;
  readonly actions: number;
  readonly steps: number;
}
/** What both sides keep to. */
export interface Agreement extends Offer {
  /** The macros that it wants, where it said so. */
  readonly macros: ReadonlyMap<MacroStage, readonly string[]>;
  /** Octets of a chunk of the body, at most. */
  readonly chunk: number;
}

const BITS: Readonly<Record<Permission, number>> = {
  add_headers: ACTIONS.addHeaders,
  change_headers: ACTIONS.changeHeaders,
  change_body: ACTIONS.changeBody,
  change_sender: ACTIONS.changeSender,
  add_recipients: ACTIONS.addRecipients | ACTIONS.addRecipientsWithParameters,
  delete_recipients: ACTIONS.deleteRecipients,
  quarantine: ACTIONS.quarantine,
};
const ACTIONS_OF_2 = 0x3f;
const STEPS_OF_2 = 0x7f;
const CHUNK = 65_535, CHUNK_256K = 256 * 1024 - 1, CHUNK_1M = 1024 * 1024 - 1;
/** Names of macros that a milter may choose in all. */
const MOST_MACROS = 500;

/** What to offer: what the version has, and what the operator allows. */
export function offer(version: Version, allowed: readonly Permission[]): Offer {
  let actions = allowed.reduce((sum, each) => sum | BITS[each], 0);
  let steps: number = STEPS_OF_2;
  if (version >= 3) steps |= STEPS.noUnknown;
  if (version >= 4) steps |= STEPS.noData;
  if (version >= 6) {
    actions |= ACTIONS.chooseMacros;
    steps |= SILENT | STEPS.skip | STEPS.refusedRecipients | STEPS.leadingSpace | STEPS.chunks256K | STEPS.chunks1M;
  } else actions &= ACTIONS_OF_2;
  return { version, actions, steps };
}

/** As a packet. */
export function encodeOffer({ version, actions, steps }: Offer): Uint8Array<ArrayBuffer> {
  return encodePacket(COMMANDS.negotiate, [{ uint32: version }, { uint32: actions }, { uint32: steps }]);
}

/** What it says to an offer. @throws {MilterError} when that cannot go together. */
export function readAgreement(data: Uint8Array, offered: Offer): Agreement {
  const fields = new Fields(data);
  const version = fields.uint32(), actions = fields.uint32(), steps = fields.uint32();
  if (version < 2 || version > offered.version) {
    throw new MilterError(`it speaks version ${version} of the protocol, and ${offered.version} was offered`);
  }
  const more = (actions & ~offered.actions) >>> 0;
  if (more !== 0) throw new MilterError(`it wants to do what it may not: ${namesOf(more)}`);
  // To leave out what was not offered to be left out harms nobody; but silence would be waited out
  if ((steps & ~offered.steps & SILENT) !== 0) throw new MilterError("it will not answer what it has to answer");
  const macros = new Map<MacroStage, readonly string[]>();
  for (let count = 0; !fields.done;) {
    const stage = MACRO_STAGES[fields.uint32()], names = fields.text().split(/[ ,\t]+/).filter((name) => name !== "");
    count += names.length;
    if (count > MOST_MACROS) throw new MilterError("it wants too many macros");
    if (stage !== undefined) macros.set(stage, names);
  }
  const kept = (steps & offered.steps) >>> 0;
  const chunk = kept & STEPS.chunks1M ? CHUNK_1M : kept & STEPS.chunks256K ? CHUNK_256K : CHUNK;
  return { version, actions, steps: kept, macros, chunk };
}

function namesOf(bits: number): string {
  const names = PERMISSIONS.filter((each) => (BITS[each] & bits) !== 0);
  return names.length > 0 ? names.join(", ") : `0x${bits.toString(16)}`;
}
