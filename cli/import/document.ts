/**
 * postern.yaml of a draft: what a person would write, with the line that each value came from behind or above it.
 * Non-job: what is in the draft, files (written.ts).
 */
import { Document, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { type Draft, type Origin, placeOf, type PluginDraft, type Sourced, type Value } from "./draft.ts";

/** The order of a list of plugins: cheap refusals, then who is who, then the content, then storage, and what goes out. */
const ORDER = (
  "ban rate_limit dnsbl early_talker tarpit accounts dovecot_auth account_guard sender_login fcrdns helo spf dkim arc dmarc " +
  "reputation address_map srs bounce relay recipients verify_recipient greylist null_mx headers submission archive attachments " +
  "uribl clamav rspamd spamassassin milter spam_score maildir discard arc_seal dkim_sign"
).split(" ");

/** Groups of the configuration in the order of docs/configuration.md. */
const GROUPS = ["hostname", "data", "domains", "postmaster"];

const head = `Written by postern import. Behind each value, or above it, stands the line that it came from;
what could not be taken over is in import.txt. Then: postern check --config postern.yaml`;

/** `program`: what was imported, for the first line. */
export function documentOf(draft: Draft): string {
  const document = new Document(new YAMLMap());
  const root = document.contents as YAMLMap;
  document.commentBefore = comment(head);
  for (const key of GROUPS) {
    const found = draft.settings.get(key);
    if (found !== undefined) add(root, key, found);
  }
  if (draft.listeners.length > 0) root.add(group("listeners", sequence(draft.listeners)));
  if (draft.certificates.length > 0) {
    root.add(group("tls", mapOf({ certificates: sequence(draft.certificates) }, tree(draft, "tls"))));
  } else if (tree(draft, "tls").size > 0) root.add(group("tls", mapOf({}, tree(draft, "tls"))));
  const limits = tree(draft, "limits");
  if (limits.size > 0) root.add(group("limits", mapOf({}, limits)));
  const plugins = new YAMLSeq();
  for (const each of inOrder(draft.plugins)) plugins.add(pluginNode(each));
  root.add(group("plugins", plugins));
  if (draft.hops.size > 0) {
    const hops = new YAMLMap();
    for (const [name, each] of draft.hops) add(hops, name, each);
    root.add(group("nextHops", hops));
  }
  const delivery = mapOf({}, tree(draft, "delivery"));
  if (draft.routes.length > 0) delivery.add(new Pair(new Scalar("routes"), sequence(draft.routes)));
  if (draft.rules.size > 0) {
    const rules = new YAMLMap();
    for (const [name, each] of draft.rules) add(rules, name, each);
    delivery.add(new Pair(new Scalar("tls"), mapOf({ rules }, new Map())));
  }
  if (delivery.items.length > 0) root.add(group("delivery", delivery));
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

function inOrder(plugins: readonly PluginDraft[]): PluginDraft[] {
  const place = ({ name }: PluginDraft) => ORDER.indexOf(name);
  return plugins.toSorted((a, b) => place(a) - place(b));
}

/** Keys of a group without its name: `limits.messageSize` as `messageSize`. */
function tree(draft: Draft, name: string): Map<string, Sourced> {
  const found = [...draft.settings].filter(([key]) => key.startsWith(`${name}.`));
  return new Map(found.map(([key, value]) => [key.slice(name.length + 1), value]));
}

function mapOf(nodes: Readonly<Record<string, YAMLMap | YAMLSeq>>, values: ReadonlyMap<string, Sourced>): YAMLMap {
  const map = new YAMLMap();
  for (const [key, node] of Object.entries(nodes)) map.add(new Pair(new Scalar(key), node));
  for (const [path, value] of values) {
    const [first = "", second] = path.split(".");
    if (second === undefined) add(map, first, value);
    else {
      let inner = map.get(first) as YAMLMap | undefined;
      if (inner === undefined) map.add(new Pair(new Scalar(first), inner = new YAMLMap()));
      add(inner, second, value);
    }
  }
  return map;
}

function pluginNode({ name, as, options, from }: PluginDraft): Scalar | YAMLMap {
  if (options.size === 0 && as === null) {
    const node = new Scalar(name);
    node.comment = ` ${placeOf(from)}`;
    return node;
  }
  const inner = new YAMLMap();
  for (const [key, each] of options) add(inner, key, each);
  if (options.size === 0) inner.flow = true;
  const node = new YAMLMap();
  const key = new Scalar(name);
  node.add(new Pair(key, inner));
  if (as !== null) node.add(new Pair(new Scalar("as"), new Scalar(as)));
  node.commentBefore = ` ${placeOf(from)}`;
  return node;
}

function sequence(items: readonly Sourced[]): YAMLSeq {
  const seq = new YAMLSeq();
  for (const { value, from } of items) {
    const node = nodeOf(value, true);
    node.comment = ` ${placeOf(from)}`;
    seq.add(node);
  }
  return seq;
}

function add(map: YAMLMap, name: string, { value, from }: Sourced): void {
  const key = new Scalar(name), node = nodeOf(value, false);
  // What is in one line has it behind it, what is not above it
  if (node instanceof Scalar || (node as YAMLMap).flow) node.comment = ` ${placeOf(from)}`;
  else key.commentBefore = ` ${placeOf(from)}`;
  map.items.push(new Pair(key, node)); // add() looks through all of them for the same key
}

/** Short things in one line. `inline`: whatever its size. */
function nodeOf(value: Value, inline: boolean): Scalar | YAMLMap | YAMLSeq {
  if (typeof value !== "object" || value === null) {
    const scalar = new Scalar(typeof value === "string" ? value.replaceAll("${", () => "$${") : value);
    // What a later reader could take for a number or a word stays a text
    if (typeof value === "string" && /^[\d.:]|[{}*&!|>%@`#]/.test(value)) scalar.type = Scalar.QUOTE_DOUBLE;
    return scalar;
  }
  const flow = inline || !isLong(value);
  if (Array.isArray(value)) {
    const seq = new YAMLSeq();
    for (const each of value) seq.add(nodeOf(each, inline));
    seq.flow = flow;
    return seq;
  }
  const map = new YAMLMap(), entries = value instanceof Map ? value.entries() : Object.entries(value);
  for (const [key, each] of entries) map.items.push(new Pair(new Scalar(key), nodeOf(each, inline)));
  map.flow = flow;
  return map;
}

function isLong(value: Value): boolean {
  if (value instanceof Map) return value.size > 8 || isLong(Object.fromEntries(value));
  return JSON.stringify(value).length >= 90;
}

function group(name: string, node: YAMLMap | YAMLSeq): Pair {
  const key = new Scalar(name);
  key.spaceBefore = true;
  return new Pair(key, node);
}

function comment(text: string): string {
  return text.split("\n").map((line) => ` ${line}`).join("\n");
}

/** The origin of what no file says. */
export const DEFAULT: Origin = { file: "its default", line: 0 };
