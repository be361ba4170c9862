/** What is known of the data folder of a release, and the configuration that goes with it. Types and texts only. */

/** release.json. */
export interface Release {
  readonly version: string;
  /** When it was made, milliseconds since 1970: the server that opens it believes that it is a minute later. */
  readonly made: number;
  /** Ids by subject, as the 250 told them. */
  readonly ids: Readonly<Record<string, string>>;
  /** A session of the ledger. */
  readonly session: string;
}

/** Where mail for others goes, and where events do. */
export interface Outside {
  readonly away: number;
  readonly hook: string;
}

export const HOOK_KEY = new Uint8Array(32).fill(7);

/** The same server then and now; only the ports of others are different. */
export function configOf({ away, hook }: Outside): string {
  return `hostname: mx.example.org
postmaster: ops@example.org
domains: [example.org, inbox.example]
listeners: [{ address: "127.0.0.1:2525", xclient: ["127.0.0.0/8"] }]
plugins:
  - rate_limit: { messagesPerIp: 1000/1d, exempt: [] }
  - relay: { networks: ["127.0.0.0/8"] }
  - recipients: { accounts: [ada] }
    when: { recipientDomain: example.org }
  - spam_score: { bayes: { minimum: 10 } }
  - maildir: { root: "\${MAILDIRS}" }
    when: { recipientDomain: example.org }
  - inbox: { everything: true }
nextHops: { away: { hosts: ["smtp://127.0.0.1:${away}"] } }
delivery:
  retry: [1m, 5m]
  routes:
    - { domain: held.example, to: hold }
    - { domain: "*", to: remote, via: away }
webhooks: [{ name: app, url: "${hook}", events: [accepted], secret: "whsec_${HOOK_KEY.toBase64()}" }]
recordings: { bodies: true }
admin: {}
`;
}
