/**
 * One entry of a plugin list: the plugin's key, and beside it the host's words. `when` and `unless` become tests here.
 * Non-job: making the plugin (plugins.ts).
 */
import { z } from "zod";
import { DomainSet } from "../model/domain.ts";
import { Networks } from "../model/ip.ts";
import { type Test, when } from "../pipeline/combine.ts";
import type { Plugin } from "../pipeline/plugin.ts";
import { LEAST_MEMORY } from "../sandbox/process/command.ts";
import { Role } from "./schema.ts";
import { duration, size } from "./units.ts";
import { domainPattern, network, oneOrMore, text } from "./values.ts";

/** All that are given must hold; a list holds when one of it does. */
export const Conditions = z.strictObject({
  role: oneOrMore(Role).optional().describe("The listener's role."),
  listener: oneOrMore(z.string()).optional().describe("The listener's name."),
  authenticated: z.boolean().optional().describe("Whether the client has proved an identity."),
  network: oneOrMore(network).optional().describe("The client's address is in it."),
  senderDomain: oneOrMore(domainPattern).optional().describe("The domain of MAIL FROM."),
  recipientDomain: oneOrMore(domainPattern).optional().describe("The domain of the recipient, or of one of them."),
});
export type Conditions = z.output<typeof Conditions>;

const reachable = text(
  (value) => /^(?:\[[0-9a-fA-F:.]+\]|[\w.*-]+)(?::\d{1,5})?$/.test(value) ? value : null,
  'a host with its port, such as "api.example.org:443"',
);

/** What a plugin that runs apart may do; an empty group: nothing but compute. */
export const SandboxWords = z.strictObject({
  net: z.array(reachable).optional().describe("Hosts that it may connect to, with their ports."),
  read: z.array(z.string().min(1)).optional().describe("Files and folders that it may read."),
  env: z.array(z.string().min(1)).optional().describe("Variables of the environment that it may read."),
  cpu: duration({ min: 10, max: 60_000 }).optional().describe("How long it may compute without a pause (1s)."),
  memory: size({ min: LEAST_MEMORY }).optional().describe("The most memory that it may take: a process of its own."),
  isolate: z.enum(["worker", "process"]).optional().describe("Where it runs (worker; process where memory is given)."),
}).refine(({ memory, isolate }) => memory === undefined || isolate !== "worker", {
  error: "a worker has no bound on its memory: leave isolate out, or take process",
  path: ["isolate"],
});
export type SandboxWords = z.output<typeof SandboxWords>;

export const HOST_WORDS = {
  as: z.string().regex(/^[A-Za-z][\w.-]{0,63}$/, {
    error: "must begin with a letter and have only letters, digits, dots, dashes and underscores",
  }).describe("The name in log, metrics and `after`; needed when a plugin stands twice."),
  mode: z.enum(["enforce", "observe"]).describe("observe: it is asked and told, and changes nothing."),
  onError: z.enum(["defer", "skip"]).describe("What a throw or a deadline means: 451, or as if it were not there."),
  deadline: duration({ min: 10, max: 540_000 }).describe("How long it may take in one phase (30s)."),
  roles: z.array(Role).min(1).describe("Only on listeners of these roles."),
  when: Conditions.describe("Only when all of these hold."),
  unless: Conditions.describe("Not when all of these hold."),
  sandbox: SandboxWords.describe("It runs apart from the server, and may do what is named here and no more."),
} as const;
export const HostWords = z.strictObject(HOST_WORDS).partial();
export type HostWords = z.output<typeof HostWords>;

function test(conditions: Conditions): Test {
  const { role, listener, authenticated } = conditions;
  const networks = conditions.network && new Networks(conditions.network);
  const senders = conditions.senderDomain && new DomainSet(conditions.senderDomain);
  const recipients = conditions.recipientDomain && new DomainSet(conditions.recipientDomain);
  return (facts) => {
    if (role && !(role as string[]).includes(facts.role)) return false;
    if (listener && !listener.includes(facts.listener)) return false;
    if (authenticated !== undefined && authenticated !== (facts.client.identity !== null)) return false;
    if (networks && !networks.has(facts.client.ip)) return false;
    if (senders && !(facts.sender && senders.has(facts.sender.domain))) return false;
    if (!recipients) return true;
    if (facts.recipient) return recipients.has(facts.recipient.address.domain);
    return facts.recipients.some((each) => recipients.has(each.address.domain));
  };
}

/** The words of an entry, on the plugin that came of them: what a person is shown of a condition. */
const WORDS = Symbol("when and unless");
type Selection = Pick<HostWords, "when" | "unless">;

/**
 * The same plugin, asked only when `when` holds and `unless` does not; what is not known yet does not hold. Its `queue`
 * handler is left alone: there the recipient's route selects, hours later too, when there is no client to ask about
 * (SEMANTICS 2).
 */
export function selected(plugin: Plugin, words: Selection): Plugin {
  const wanted: Test = words.when ? test(words.when) : () => true;
  const unwanted: Test = words.unless ? test(words.unless) : () => false;
  const conditional = when((facts) => facts.phase === "queue" || wanted(facts) && !unwanted(facts), plugin);
  return Object.assign(conditional, { [WORDS]: words });
}

/** What `selected` was told about this plugin. */
export function selectionOf(plugin: Plugin): Selection {
  return (plugin as { readonly [WORDS]?: Selection })[WORDS] ?? {};
}

/** Whether it can hold for any mail of this listener. */
export function possible(
  words: Selection,
  listener: { readonly name: string; readonly role: z.output<typeof Role> },
): boolean {
  const here = ({ role, listener: names }: Conditions) =>
    (role === undefined || role.includes(listener.role)) && (names === undefined || names.includes(listener.name));
  const onlyThese = ({ role: _role, listener: _listener, ...rest }: Conditions) =>
    Object.values(rest).every((each) => each === undefined);
  if (words.when && !here(words.when)) return false;
  return !(words.unless && here(words.unless) && onlyThese(words.unless));
}

/** `when role: mx, network: 10.0.0.0/8 or 192.0.2.0/24; unless authenticated: true`. */
export function formatSelection(words: Selection): string {
  const parts = (["when", "unless"] as const).flatMap((word) => {
    const conditions = Object.entries(words[word] ?? {}).filter(([, value]) => value !== undefined);
    const text = conditions.map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(" or ") : value}`);
    return text.length > 0 ? [`${word} ${text.join(", ")}`] : [];
  });
  return parts.join("; ");
}
