/**
 * The servers that hand everything on to one next hop over loopback: Postern and peers, each at its best for that. Job:
 * their configurations. Non-job: the next hop (next_hop.ts), accepting alone (servers.ts).
 */
import { EXIM_MISSING } from "../tests/support/exim.ts";
import { unpackedVersion } from "../tests/support/unpacked.ts";
import { versionOf } from "./machine.ts";
import { installed, moduleVersion, postfixMissing, startExim, startHaraka, startPostfix } from "./peers.ts";
import { posternVersion, startPostern } from "./postern.ts";
import type { Candidate } from "./running.ts";

/** Relays for loopback, everything to one next hop. */
export const relayConfiguration = (next: number) =>
  `hostname: mx.bench.example
listeners:
  - { address: "127.0.0.1:2525" }
admin: { address: "127.0.0.1:8025", token: "\${POSTERN_ADMIN_TOKEN}" }
plugins:
  - relay: { networks: ["127.0.0.0/8"] }
nextHops:
  sink: { hosts: ["smtp://127.0.0.1:${next}"] }
delivery:
  routes:
    - { to: remote, via: sink }
`;

const postern: Candidate = {
  name: "postern-relay",
  promise: "durable",
  over: "relay",
  missing: () => null,
  version: posternVersion,
  start: ({ under, next } = {}) =>
    startPostern({
      under,
      config: relayConfiguration(next!),
      facts: { configuration: "relay for loopback, one next hop" },
    }),
};

const postfix: Candidate = {
  name: "postfix-relay",
  promise: "durable",
  over: "relay",
  missing: postfixMissing,
  version: () => versionOf("postconf", "-hd", "mail_version"),
  start: ({ under, next } = {}) => startPostfix({ under, transport: `smtp:[127.0.0.1]:${next}` }),
};

const exim: Candidate = {
  name: "exim-relay",
  promise: "durable",
  over: "relay",
  missing: () => EXIM_MISSING,
  version: () => unpackedVersion("exim4-daemon-light"),
  start: ({ under, next } = {}) => startExim({ under, next: next! }),
};

function haraka(name: string, nodes: number): Candidate {
  return {
    name,
    promise: "durable (file, fsync, rename; folder not synced)",
    over: "relay",
    missing: () => installed("Haraka"),
    version: () => moduleVersion("Haraka"),
    start: ({ under, next } = {}) => startHaraka({ under, nodes, queue: "", env: { NEXT_PORT: String(next) } }),
  };
}

/** In the order of the report. */
export const RELAYS: readonly Candidate[] = [
  postern,
  postfix,
  exim,
  haraka("haraka-relay", 0),
  haraka("haraka-2-relay", 2),
];
