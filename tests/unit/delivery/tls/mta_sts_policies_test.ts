/** Policies that are kept: through failures, changes of their id, restarts, and to their end. */
import { assertEquals } from "@std/assert";
import { StsPolicies } from "../../../../core/delivery/tls/mta_sts_policies.ts";
import { DnsError } from "../../../../core/dns/resolver.ts";
import { Clock, PlainCounters } from "./fixture.ts";

const HOUR = 3_600_000, DAY = 24 * HOUR;

/** A domain whose record and policy file are set by hand, and a process that may be started anew. */
class Site {
  readonly clock = new Clock();
  readonly counters = new PlainCounters(this.clock);
  id: string | null = "1";
  dnsFails = false;
  mode = "enforce";
  maxAge = 7 * 86_400;
  /** Null: the policy host answers with what is set here. */
  broken: (() => Promise<Response>) | null = null;
  fetches = 0;
  policies = this.#start();

  #start(): StsPolicies {
    return new StsPolicies({
      dns: {
        txt: (name) => {
          if (this.dnsFails) return Promise.reject(new DnsError("servfail", `TXT ${name}`));
          return this.id === null || name !== "_mta-sts.example.org"
            ? Promise.reject(new DnsError("nxdomain", `TXT ${name}`))
            : Promise.resolve([`v=STSv1; id=${this.id}`]);
        },
      },
      fetch: () => {
        this.fetches++;
        if (this.broken !== null) return this.broken();
        const text = `version: STSv1\nmode: ${this.mode}\nmx: mx.example.org\nmax_age: ${this.maxAge}\n`;
        return Promise.resolve(new Response(text, { headers: { "content-type": "text/plain" } }));
      },
      counters: this.counters,
      now: this.clock.read,
      limit: 3,
    });
  }
  restart(): void {
    this.policies = this.#start();
  }
  /** The mode in force, what failed, and how often the policy host was asked so far. */
  async state(): Promise<[string | null, string | null, number]> {
    const { policy, failure } = await this.policies.of("example.org");
    await this.policies.idle();
    return [policy?.mode ?? null, failure?.type ?? null, this.fetches];
  }
}

Deno.test("a policy is fetched once, kept over a restart, and fetched anew when its id changes", async () => {
  const site = new Site();
  assertEquals(await site.state(), ["enforce", null, 1]);
  assertEquals(await site.state(), ["enforce", null, 1]);
  site.restart();
  assertEquals(await site.state(), ["enforce", null, 1]);
  site.mode = "testing";
  assertEquals(await site.state(), ["enforce", null, 1]);
  site.id = "2";
  assertEquals(await site.state(), ["testing", null, 2]);
  site.id = "3";
  site.mode = "none";
  assertEquals(await site.state(), [null, null, 3]);
});

Deno.test("case 68: a kept policy outlives failures of the policy host and of DNS, until its max_age", async () => {
  const failures: (() => Promise<Response>)[] = [
    () => Promise.reject(new TypeError("connection refused")),
    () => Promise.resolve(new Response(null, { status: 302, headers: { location: "https://example.com/" } })),
    () => Promise.resolve(new Response("x".repeat(1 << 20), { headers: { "content-type": "text/plain" } })),
    () => Promise.resolve(new Response("<html>", { headers: { "content-type": "text/html" } })),
    () => Promise.reject(new DOMException("Signal timed out.", "TimeoutError")),
  ];
  for (const failure of failures) {
    const site = new Site();
    await site.state();
    site.broken = failure;
    site.id = "2";
    assertEquals(await site.state(), ["enforce", "sts-policy-fetch-error", 2]);
    site.restart();
    assertEquals(await site.state(), ["enforce", "sts-policy-fetch-error", 3]);
    site.id = null;
    assertEquals(await site.state(), ["enforce", null, 3], "no record");
    site.dnsFails = true;
    assertEquals(await site.state(), ["enforce", null, 3], "no answer");
    site.clock.now += 7 * DAY - 1;
    assertEquals(await site.state(), ["enforce", null, 3], "to the last moment");
    site.clock.now += 1;
    assertEquals(await site.state(), [null, null, 3], "its end");
  }
});

Deno.test("without a kept policy a failure means none, and the policy host is left alone for a while", async () => {
  const site = new Site();
  site.broken = () => Promise.reject(new TypeError("invalid peer certificate: Expired"));
  assertEquals(await site.state(), [null, "sts-webpki-invalid", 1]);
  site.clock.now += 4 * 60_000;
  assertEquals(await site.state(), [null, "sts-webpki-invalid", 1]);
  site.id = "2"; // mended, perhaps
  assertEquals(await site.state(), [null, "sts-webpki-invalid", 2]);
  site.id = "3"; // but not with each delivery
  assertEquals(await site.state(), [null, "sts-webpki-invalid", 2]);
  site.clock.now += 5 * 60_000;
  site.broken = null;
  assertEquals(await site.state(), ["enforce", null, 3]);
});

Deno.test("a policy is renewed once a day, or in the second half of its life, and nobody waits for it", async () => {
  const site = new Site();
  await site.state();
  site.clock.now += DAY - 1;
  assertEquals((await site.state())[2], 1);
  site.clock.now += 1;
  const slow = Promise.withResolvers<Response>();
  site.broken = () => slow.promise;
  assertEquals((await site.policies.of("example.org")).policy?.mode, "enforce"); // while it is fetched
  slow.reject(new TypeError("reset"));
  await site.policies.idle();
  site.broken = null;
  site.clock.now += 5 * 60_000;
  assertEquals(await site.state(), ["enforce", "sts-policy-fetch-error", 3]);
  assertEquals(await site.state(), ["enforce", null, 3]);
  site.clock.now += 7 * DAY - 1; // the renewed one
  assertEquals((await site.state())[0], "enforce");

  const brief = new Site();
  brief.maxAge = 600;
  await brief.state();
  brief.clock.now += 299_999;
  assertEquals(await brief.state(), ["enforce", null, 1]);
  brief.clock.now += 1;
  assertEquals(await brief.state(), ["enforce", null, 2]);
  brief.maxAge = 0; // kept for five minutes, else each delivery would fetch
  brief.id = "2";
  assertEquals(await brief.state(), ["enforce", null, 3]);
  assertEquals(await brief.state(), ["enforce", null, 3]);
});

Deno.test("refresh renews what is due without any mail", async () => {
  const site = new Site();
  await site.state();
  await site.policies.of("example.com"); // has none
  await site.policies.refresh();
  assertEquals(site.fetches, 1);
  site.clock.now += 2 * DAY;
  await site.policies.refresh();
  assertEquals(site.fetches, 2);
  site.id = null;
  site.clock.now += 6 * DAY;
  assertEquals((await site.state())[0], "enforce"); // it would have ended
});

Deno.test("case 74: a clock that goes back does not keep a policy for ever", async () => {
  const site = new Site();
  site.clock.now += 3650 * DAY;
  await site.state();
  site.clock.now -= 3650 * DAY;
  site.broken = () => Promise.reject(new TypeError("refused"));
  site.id = null;
  assertEquals((await site.state())[0], null);
});

Deno.test("many deliveries wait for one fetch; memory holds a bounded number of domains", async () => {
  const site = new Site();
  await Promise.all(Array.from({ length: 50 }, () => site.policies.of("example.org")));
  assertEquals(site.fetches, 1);
  for (let n = 0; n < 20; n++) await site.policies.of(`d${n}.example`);
  site.broken = () => Promise.reject(new TypeError("refused"));
  assertEquals(await site.state(), ["enforce", null, 1]); // read back
});

Deno.test("what stands in the counters and is no policy is fetched again", async () => {
  for (const value of ["", "{}", "[1,2,3]", '["1",0,"mode: enforce"]', "null", "["]) {
    const site = new Site();
    await site.counters.put("tls:sts:example.org", value, { seconds: 1000 });
    assertEquals(await site.state(), ["enforce", null, 1], value);
  }
});
