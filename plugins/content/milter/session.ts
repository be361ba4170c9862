/**
 * The server's side of the milter protocol, one connection: steps in, octets out; octets in, answers out. It knows what was
 * agreed on, which steps are left out or never answered, and what may be said when; after an error it is of no more use.
 * Non-job: sockets and time (channel.ts), what an answer means for the mail (conversation.ts).
 */
import { isIPv4, isIPv6 } from "../../../core/pipeline/mod.ts";
import { type Answer, readAnswer, type Verdict } from "./answers.ts";
import { type Agreement, encodeOffer, type Offer, readAgreement } from "./negotiation.ts";
import { encodePacket, PacketReader, type Part } from "./packets.ts";
import { ACTIONS, COMMANDS, type MacroStage, MilterError, STEPS } from "./protocol.ts";

/** What a milter is told of a session and its message, in the order of SMTP. */
export type Step =
  | { readonly step: "connect"; readonly name: string; readonly ip: string; readonly port: number }
  | { readonly step: "helo"; readonly name: string }
  /** A path with its brackets, and the parameters behind it. */
  | { readonly step: "mail"; readonly words: readonly string[] }
  | { readonly step: "rcpt"; readonly words: readonly string[] }
  | { readonly step: "data" }
  /** Octets as they came, the name without the colon, the value with all that is behind it. */
  | { readonly step: "header"; readonly name: string; readonly value: Uint8Array }
  | { readonly step: "endOfHeaders" }
  | { readonly step: "body"; readonly chunk: Uint8Array }
  | { readonly step: "endOfMessage" };
export type StepName = Step["step"];

/** What is sent in front of a step: names as milters know them, `j` or `{client_addr}`. */
export type Macros = readonly (readonly [name: string, value: string])[];

/** What a step puts on the wire. */
export interface Told {
  readonly octets: readonly Uint8Array[];
  /** Whether an answer will come. */
  readonly answered: boolean;
}

interface StepRules {
  readonly letter: string;
  /** The bit by which a milter leaves it out. */
  readonly without: number;
  /** The bit by which it does not answer it. */
  readonly silent: number;
  readonly macros: MacroStage | null;
  /** The first version that has it. */
  readonly since: number;
  readonly verdicts: ReadonlySet<Verdict["said"]>;
}

const SESSION: ReadonlySet<Verdict["said"]> = new Set(["continue", "accept", "refuse"]);
const MESSAGE: ReadonlySet<Verdict["said"]> = new Set([...SESSION, "discard"]);
const PIECES: ReadonlySet<Verdict["said"]> = new Set([...MESSAGE, "skip"]);

function rules(
  letter: string,
  [without, silent]: readonly [number, number],
  { macros = null, verdicts = MESSAGE, since = 2 }: Partial<Pick<StepRules, "macros" | "verdicts" | "since">> = {},
): StepRules {
  return { letter, without, silent, macros, since, verdicts };
}

/** The whole order of things: what each step is, who leaves it out, and what may be said to it. */
const RULES: Readonly<Record<StepName, StepRules>> = {
  connect: rules(COMMANDS.connect, [STEPS.noConnect, STEPS.silentConnect], { macros: "connect", verdicts: SESSION }),
  helo: rules(COMMANDS.helo, [STEPS.noHelo, STEPS.silentHelo], { macros: "helo", verdicts: SESSION }),
  mail: rules(COMMANDS.mail, [STEPS.noMail, STEPS.silentMail], { macros: "mail" }),
  rcpt: rules(COMMANDS.rcpt, [STEPS.noRcpt, STEPS.silentRcpt], { macros: "rcpt" }),
  data: rules(COMMANDS.data, [STEPS.noData, STEPS.silentData], { macros: "data", since: 4 }),
  header: rules(COMMANDS.header, [STEPS.noHeaders, STEPS.silentHeader], { verdicts: PIECES }),
  endOfHeaders: rules(COMMANDS.endOfHeaders, [STEPS.noEndOfHeaders, STEPS.silentEndOfHeaders], {
    macros: "endOfHeaders",
  }),
  body: rules(COMMANDS.body, [STEPS.noBody, STEPS.silentBody], { verdicts: PIECES }),
  endOfMessage: rules(COMMANDS.endOfMessage, [0, 0], { macros: "endOfMessage" }),
};
/** Changes of a message, pieces of its body not counted; each may have to look at the whole header section. */
const MOST_MODIFICATIONS = 500;
/** Octets of them in all: they are kept until it says yes. */
const MOST_OCTETS = 2 * 1024 * 1024;

const ACTION_OF = {
  "add-header": ACTIONS.addHeaders,
  "insert-header": ACTIONS.addHeaders,
  "change-header": ACTIONS.changeHeaders,
  "sender": ACTIONS.changeSender,
  "add-recipient": ACTIONS.addRecipients,
  "delete-recipient": ACTIONS.deleteRecipients,
  "body": ACTIONS.changeBody,
  "quarantine": ACTIONS.quarantine,
} as const;

export class MilterSession {
  readonly #offered: Offer;
  readonly #reader = new PacketReader();
  readonly #skipped = new Set<StepName>();
  #agreement: Agreement | null = null;
  #asked: StepName | null = null;
  #broken = false;
  #modifications = 0;
  #octets = 0;

  constructor(offered: Offer) {
    this.#offered = offered;
  }

  /** The first words. */
  begin(): Uint8Array {
    return encodeOffer(this.#offered);
  }
  /** Null until the milter has said its first words. */
  get agreement(): Agreement | null {
    return this.#agreement;
  }
  /** It has agreed to this. */
  has(bit: number): boolean {
    return this.#agreement !== null && (this.#agreement.steps & bit) !== 0;
  }
  /** Whether it wants to hear of that step. Of pieces it may have had enough. */
  wants(step: StepName): boolean {
    const { without, since } = RULES[step];
    return this.#agreement !== null && this.#agreement.version >= since && !this.has(without) &&
      !this.#skipped.has(step);
  }

  /**
   * Null: the milter does not want to hear of it. Nothing may be asked while an answer is awaited.
   *
   * @throws {Error} when it is not the time to say anything: the caller's mistake.
   */
  tell(step: Step, macros: (stage: MacroStage, chosen: readonly string[] | undefined) => Macros): Told | null {
    if (this.#agreement === null || this.#asked !== null || this.#broken) {
      throw new Error(`${step.step} at the wrong time`);
    }
    if (step.step === "mail") {
      this.#skipped.clear();
      this.#modifications = this.#octets = 0;
    }
    if (!this.wants(step.step)) return null;
    const { letter, silent, macros: stage } = RULES[step.step];
    const octets: Uint8Array[] = [];
    if (stage !== null) {
      const values = macros(stage, this.#agreement.macros.get(stage));
      if (values.length > 0) octets.push(encodePacket(COMMANDS.macros, [encodeLetter(letter), ...values.flat()]));
    }
    octets.push(
      step.step === "header"
        ? encodeHeader(step, this.has(STEPS.leadingSpace))
        : encodePacket(letter, this.#parts(step)),
    );
    const answered = !this.has(silent);
    if (answered) this.#asked = step.step;
    return { octets, answered };
  }

  #parts(step: Exclude<Step, { step: "header" }>): Part[] {
    switch (step.step) {
      case "connect": {
        const { name, ip, port } = step, family = isIPv4(ip) ? "4" : isIPv6(ip) ? "6" : "U"; // U: a local socket
        return family === "U" ? [name, encodeLetter(family)] : [name, encodeLetter(family), { uint16: port }, ip];
      }
      case "helo":
        return [step.name];
      case "mail":
      case "rcpt":
        return [...step.words];
      case "body":
        return [step.chunk];
      default:
        return [];
    }
  }

  /** The transaction is over before its end. No answer. */
  abort(): Uint8Array {
    return encodePacket(COMMANDS.abort);
  }
  /** Farewell. No answer. */
  quit(): Uint8Array {
    return encodePacket(COMMANDS.quit);
  }
  /** Farewell in the name of this client, and another one comes on the same connection. Null: the milter cannot do that. */
  quitAndStay(): Uint8Array | null {
    return this.#agreement !== null && this.#agreement.version >= 6 ? encodePacket(COMMANDS.quitAndStay) : null;
  }

  /** What the milter says with these octets. @throws {MilterError} when it may not say so; then nothing else counts. */
  receive(octets: Uint8Array): Answer[] {
    const answers: Answer[] = [];
    try {
      for (const packet of this.#reader.read(octets)) {
        if (this.#agreement === null) {
          if (packet.letter !== COMMANDS.negotiate) throw new MilterError("it does not speak the milter protocol");
          this.#agreement = readAgreement(packet.data, this.#offered);
          continue;
        }
        const answer = readAnswer(packet);
        this.#check(answer, packet.data.length);
        answers.push(answer);
      }
      return answers;
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }

  #check(answer: Answer, octets: number): void {
    const asked = this.#asked;
    if (answer.type === "progress") return;
    if (asked === null) throw new MilterError("it spoke without being asked");
    if (answer.type === "modification") {
      const { change } = answer.modification;
      if (asked !== "endOfMessage") throw new MilterError(`it changes the message (${change}) before its end`);
      if ((this.#offered.actions & ACTION_OF[change]) === 0) throw new MilterError(`it may not do that: ${change}`);
      if (change === "body") return;
      this.#octets += octets;
      if (++this.#modifications > MOST_MODIFICATIONS || this.#octets > MOST_OCTETS) {
        throw new MilterError("it changes too much");
      }
      return;
    }
    const { said } = answer.verdict;
    if (!RULES[asked].verdicts.has(said)) throw new MilterError(`it said ${said} to ${asked}`);
    if (said === "skip") this.#skipped.add(asked);
    this.#asked = null;
  }
}

function encodeLetter(letter: string): Uint8Array {
  return Uint8Array.of(letter.charCodeAt(0));
}

const CR = 13, LF = 10, SPACE = 32, TAB = 9, LENGTH = 4;

/**
 * A field as milters know it: folded with LF alone, without the last line end, and unless it is kept without its first
 * space. In one piece, as there may be 1e5 of them.
 */
function encodeHeader({ name, value }: Extract<Step, { step: "header" }>, leadingSpace: boolean): Uint8Array {
  const packet = new Uint8Array(LENGTH + name.length + value.length + 3);
  packet[LENGTH] = COMMANDS.header.charCodeAt(0);
  let size = LENGTH + 1;
  for (let at = 0; at < name.length; at++) packet[size++] = name.charCodeAt(at); // ftext is ASCII
  packet[size++] = 0;
  const begin = size, first = !leadingSpace && (value[0] === SPACE || value[0] === TAB) ? 1 : 0;
  for (let at = first; at < value.length; at++) {
    const octet = value[at]!;
    if (octet === CR && value[at + 1] === LF) continue;
    packet[size++] = octet === 0 ? SPACE : octet; // a NUL would hide what follows it
  }
  while (size > begin && packet[size - 1] === LF) size--;
  packet[size++] = 0;
  const length = size - LENGTH;
  packet[0] = length >>> 24;
  packet[1] = length >>> 16 & 255;
  packet[2] = length >>> 8 & 255;
  packet[3] = length & 255;
  return packet.subarray(0, size);
}
