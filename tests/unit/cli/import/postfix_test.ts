/** `postern import postfix`: what each kind of line becomes, what is left, and that nothing odd lets anybody in. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SourceError } from "../../../../cli/import/sources.ts";
import { testWith } from "../../../support/debian.ts";
import { imported } from "../../../support/import_folder.ts";
import { Authority, MAKES_CERTIFICATES } from "../../../support/tls.ts";

const HOST = `myhostname = mx.example.org
mydestination = example.org
myorigin = example.org
mynetworks = 127.0.0.0/8
local_recipient_maps = inline:{ {root = x}, {ann = x} }
alias_maps =
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
inet_protocols = ipv4
`;

Deno.test("import postfix: what Debian installs is taken over whole", async () => {
  const { config, left, recipients } = await imported("postfix", {
    "main.cf": `smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtpd_tls_security_level=may
smtp_tls_CApath=/etc/ssl/certs
smtp_tls_security_level=may
smtp_tls_session_cache_database = btree:\${data_directory}/smtp_scache
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
myhostname = host.example.org
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
myorigin = /etc/mailname
mydestination = $myhostname, example.org, localhost.example.org, , localhost
relayhost =
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
`,
    "etc/mailname": "example.org\n",
    "etc/aliases": "# See man 5 aliases\npostmaster:    root\nroot: ann\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\n",
    "master.cf":
      "smtp      inet  n       -       y       -       -       smtpd\npickup    unix  n       -       y       60      1       pickup\n",
  });
  assertEquals(left, []);
  assertEquals(config.hostname, "host.example.org");
  assertEquals(config.domains, ["example.org", "host.example.org", "localhost.example.org", "localhost"]);
  assertEquals(config.listeners.map(({ name }) => name), ["0.0.0.0:25", "[::]:25"]);
  assertEquals(config.limits.messageSize, 10_240_000); // Postfix's default, which nobody wrote
  assertMatch(recipients, /^ {2}root: ann # etc\/aliases:3$/m);
});

Deno.test("import postfix: where mail goes", async () => {
  const { yaml, left } = await imported("postfix", {
    "main.cf": `${HOST}relayhost = [smart.example.net]:submission
transport_maps = inline:{ {one.example = smtp:[192.0.2.1]:2525}, {.two.example = smtp:mail.example.net}, {three.example = discard:},
  {four.example = lmtp:unix:private/lmtp}, {five.example = secure:[s.example.net]}, {someone@six.example = smtp:[a.example]},
  {seven.example = uucp:host} }
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{ {[smart.example.net]:submission = me:pass:word} }
`,
    "master.cf":
      "smtp inet n - y - - smtpd\nsecure unix - - y - - smtp -o smtp_tls_wrappermode=yes\nuucp unix - n n - - pipe flags=Fqhu argv=uux\n",
  });
  assertMatch(yaml, /host_192.0.2.1: \{ hosts: \[ smtp:\/\/192.0.2.1:2525 \] \}/);
  assertMatch(yaml, /domain: "\*.two.example", to: remote, via: mail.example.net/);
  assertMatch(yaml, /mail.example.net: \{ hosts: \[ smtp:\/\/mail.example.net \], mx: true \}/);
  assertMatch(yaml, /domain: three.example, to: discard/);
  assertMatch(yaml, /lmtp\+unix:\/\/\/var\/spool\/postfix\/private\/lmtp/);
  assertMatch(yaml, /smtps:\/\/s.example.net/);
  assertMatch(yaml, /hosts: \[ smtp:\/\/smart.example.net:587 \]/);
  assertMatch(yaml, /user: me, password: "?pass:word"? /);
  const places = yaml.match(/- \{ (?:domain|to).*/g)!;
  assertMatch(places.at(-1)!, /^- \{ to: remote, via: smart.example.net \} # main.cf:9/); // all others, last
  assertEquals(left.map((each) => each.replace(/.*maps: /, "")), [
    "someone@six.example smtp:[a.example]",
    "seven.example uucp:host",
  ]);
});

Deno.test("import postfix: restrictions are options of plugins, and the rest is told", async () => {
  const { draft, left } = await imported("postfix", {
    "main.cf":
      `${HOST}smtpd_helo_restrictions = permit_mynetworks, reject_invalid_helo_hostname, reject_unknown_helo_hostname
smtpd_client_restrictions = check_client_access cidr:/etc/postfix/bad, reject_unknown_reverse_client_hostname
smtpd_sender_restrictions = warn_if_reject reject_unknown_sender_domain, check_sender_access hash:/etc/postfix/senders
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination, reject_rbl_client bl.example=127.0.0.[2;4..6],
    permit_dnswl_client good.example, check_policy_service inet:127.0.0.1:10023, reject_unverified_recipient,
    reject_from_the_future
header_checks = regexp:/etc/postfix/header_checks
smtpd_milters = inet:127.0.0.1:8891, unix:opendmarc/socket
milter_default_action = accept
`,
    "bad": "192.0.2.0/24 REJECT\n198.51.100.7 550 Go away\n",
  });
  const options = Object.fromEntries(
    draft.plugins.map(({ name, as, options }) =>
      [as ?? name, Object.fromEntries([...options].map(([key, { value }]) => [key, value]))] as const
    ),
  );
  assertEquals(options.helo, { invalid: "reject", unresolved: "reject" });
  assertEquals(options.ban, { list: ["192.0.2.0/24", "198.51.100.7"] });
  assertEquals(options.fcrdns, { none: "reject" });
  assertEquals(options.dnsbl, {
    zones: new Map([["bl.example", { weight: 5, codes: ["127.0.0.2", "127.0.0.4-6"] }]]),
    allow: new Map([["good.example", 5]]),
  });
  assertEquals(options.milter, { connect: "tcp://127.0.0.1:8891", unavailable: "skip" });
  assertEquals(options.milter_2, { connect: "unix:///var/spool/postfix/opendmarc/socket", unavailable: "skip" });
  assert("verify_recipient" in options);
  assertEquals(
    left.map((each) => each.replace(/^main.cf:\d+: /, "").slice(0, 70)),
    [
      "smtpd_sender_restrictions: warn_if_reject reject_unknown_sender_domain",
      "smtpd_sender_restrictions: check_sender_access hash:/etc/postfix/sender",
      "smtpd_recipient_restrictions: check_policy_service inet:127.0.0.1:10023",
      "smtpd_recipient_restrictions: reject_from_the_future",
      "header_checks = regexp:/etc/postfix/header_checks",
    ].map((each) => each.slice(0, 70)),
  );
});

/** Lines that would let the world in, or somebody of whom nobody can say who it is, and what must not be taken over. */
const OPEN: readonly (readonly [lines: string, never: RegExp])[] = [
  ["smtpd_relay_restrictions = permit", /networks/],
  ["smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit_mynetworks", /networks/],
  ["smtpd_relay_restrictions = reject_unauth_destination, permit_mynetworks", /networks/],
  ["mynetworks = 0.0.0.0/0", /0\.0\.0\.0\/0/],
  ["mynetworks = 0.0.0.0/1 128.0.0.0/1", /128\.0/],
  ["mynetworks = [::]/0", /::\/0/],
  ["mynetworks = !192.0.2.1 192.0.2.0/24", /192\.0\.2/],
  ["mynetworks = regexp:/etc/postfix/networks", /networks:/],
  ["mynetworks_style = class\nmynetworks =", /(?<!127\.0\.0\.)0\/8/],
  ["relay_domains = com", /com/],
  ["relay_domains = *", /relay:\n {6}domains/],
  ["relay_domains = mysql:/etc/postfix/domains.cf", /relay:\n {6}domains/],
  ["relay_domains = partner.example\nrelay_recipient_maps = mysql:/etc/postfix/r.cf", /partner/],
  ["local_recipient_maps =", /ann/],
];

Deno.test("import postfix: nothing becomes an open relay, and all of it is told", async () => {
  for (const [lines, never] of OPEN) {
    const { yaml, recipients, left, config } = await imported("postfix", { "main.cf": `${HOST}${lines}\n` });
    const said = `${yaml}${recipients}`.replace(/#.*$/gm, "");
    assert(!never.test(said), `${lines}\n${said}`);
    if (!lines.includes("reject_unauth_destination, permit")) assert(left.length > 0, lines);
    assertEquals(config.warnings.filter((each) => /open relay/.test(each)), []);
  }
});

Deno.test("import postfix: odd files end in one clear line", async () => {
  for (
    const [text, words] of [
      [`${HOST}a = $b\nb = $a\nrelayhost = $a\n`, /contains itself/],
      [
        `${HOST}${Array.from({ length: 40 }, (_, n) => `p${n} = $p${n + 1}$p${n + 1}\n`).join("")}relayhost = $p0\n`,
        /steps|64 KiB/,
      ],
      [`${HOST}relayhost = \${mynetworks?{a}\n`, /never closed/],
      [`${HOST}relayhost = \${mynetworks~x}\n`, /nobody knows/],
      ["\0\0\0", /no text/],
    ] as const
  ) {
    const error = await assertRejects(() => imported("postfix", { "main.cf": text }), SourceError);
    assertMatch(error.message, words);
    assert(!error.message.includes("\n"));
  }
  await assertRejects(() => imported("postfix", { "master.cf": "" }), SourceError, "main.cf: is not there");
  const { left } = await imported("postfix", {
    "main.cf":
      `${HOST}no equals sign\nx y z = 1\nmade_up = yes\nvirtual_alias_maps = hash:/etc/postfix/not-there, hash:/etc\n`,
    "master.cf": "smtp inet n\n\tx\nnonsense\n",
    "etc/.keep": "",
  });
  const told = [
    /^main.cf:9: no equals/,
    /^main.cf:10: x y z/,
    /^main.cf:11: made_up/,
    /^main.cf:12: .*not-there/,
    /^main.cf:12: .*hash:.etc$/,
    /^master.cf:1: smtp/,
    /^master.cf:3: nonsense/,
  ];
  assertEquals(told.filter((each) => !left.some((line) => each.test(line))), []);
  assertEquals(left.length, told.length);
});

Deno.test("import postfix: a null client, a firewall and a submission service, as the standard examples have them", async () => {
  const client = await imported("postfix", {
    "main.cf":
      "myhostname = host.example.com\nmyorigin = example.com\nrelayhost = example.com\ninet_interfaces = loopback-only\nmydestination =\ninet_protocols = ipv4\ncompatibility_level = 3.6\n",
    "master.cf": "smtp inet n - y - - smtpd\n",
  });
  assertEquals(client.config.listeners.map(({ name }) => name), ["127.0.0.1:25"]);
  assertMatch(client.yaml, /- \{ to: remote, via: example.com \}/);
  assertEquals(client.left, ["main.cf: postmaster"]);

  const firewall = await imported("postfix", {
    "main.cf": `myorigin = example.com
mydestination =
local_recipient_maps =
relay_domains = example.com
relay_recipient_maps = hash:/etc/postfix/relay_recipients
mynetworks = 127.0.0.0/8 12.34.56.0/24
transport_maps = hash:/etc/postfix/transport
parent_domain_matches_subdomains = debug_peer_list smtpd_access_maps
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
inet_protocols = ipv4
alias_maps =
`,
    "relay_recipients": "user1@example.com x\nuser2@example.com x\n",
    "transport": "example.com smtp:[inside-gateway.example.com]\n",
  });
  assertEquals(firewall.config.domains, ["example.com"]);
  assertMatch(firewall.recipients, /user1@example.com: \{ store: \{ to: remote, via: inside-gateway.example.com \} \}/);

  const submission = await imported("postfix", {
    "main.cf": HOST,
    "master.cf":
      "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o syslog_name=postfix/submission\n  -o smtpd_sasl_auth_enable=yes\n",
  });
  assertEquals(submission.config.listeners.map(({ name }) => name), ["0.0.0.0:25"]);
  assertEquals(submission.left, ["master.cf:2: submission inet smtpd"]); // no certificate, no logins
});

Deno.test("import postfix: a hundred thousand aliases and one line of a megabyte are read in one go", async () => {
  const many = Array.from({ length: 100_000 }, (_, n) => `name${n}@big.example ann@example.org`).join("\n");
  const { draft } = await imported("postfix", {
    "main.cf":
      `${HOST}virtual_alias_domains = big.example\nvirtual_alias_maps = hash:/etc/postfix/many\nalias_maps = hash:/etc/aliases\n`,
    many,
    "etc/aliases": `all: ${"ann, ".repeat(200_000)}root\n"${"\\".repeat(1000)}\n`,
  });
  assertEquals([draft.book.aliases.size, draft.left], [100_001, []]);
});

testWith(
  MAKES_CERTIFICATES,
  "import postfix: logins, postscreen, maps, copies, TLS and LMTP to Dovecot are taken over whole",
  async () => {
    await using authority = await Authority.make();
    const pair = await authority.issue({ names: ["mx.example.org"] });
    const { config, left, yaml } = await imported("postfix", {
      "cert.pem": pair.cert,
      "key.pem": pair.key,
      "main.cf": `myhostname = mx.example.org
mydestination = example.org
myorigin = example.org
local_recipient_maps = inline:{ {root = x}, {ann = x} }
alias_maps =
mynetworks = 127.0.0.0/8
inet_protocols = ipv4
compatibility_level = 3.6
smtpd_tls_cert_file = /etc/postfix/cert.pem
smtpd_tls_key_file = /etc/postfix/key.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sender_login_maps = inline:{ {ann@example.org = ann}, {info@example.org = ann, bob} }
canonical_maps = inline:{ {old@example.org = ann@example.org} }
sender_canonical_maps = inline:{ {bob = bob.b@example.org} }
smtp_generic_maps = inline:{ {@internal.example = @example.org} }
masquerade_domains = example.org
masquerade_exceptions = root
always_bcc = archive@example.org
recipient_bcc_maps = inline:{ {ann@example.org = copy@example.org} }
smtp_tls_policy_maps = inline:{ {partner.example = secure}, {[mx.b.example]:25 = encrypt}, {.c.example = dane-only} }
smtp_tls_security_level = dane
postscreen_greet_wait = 6s
postscreen_greet_action = enforce
postscreen_dnsbl_sites = bl.example*3, wl.example*-2
postscreen_dnsbl_threshold = 3
mailbox_transport = lmtp:unix:private/dovecot-lmtp
minimal_backoff_time = 300s
maximal_backoff_time = 4000s
maximal_queue_lifetime = 3d
delay_warning_time = 4h
smtpd_client_connection_rate_limit = 30
smtpd_client_connection_count_limit = 10
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_sender_login_mismatch, reject_unauth_destination
`,
      "master.cf": `smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       y       -       -       smtpd
dnsblog   unix  -       -       y       -       0       dnsblog
submission inet n       -       y       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
submissions     inet  n       -       y       -       -       smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
`,
    });
    assertEquals(left, []);
    assertEquals(config.listeners.map(({ name, role, tls }) => [name, role, tls] as string[]), [
      ["0.0.0.0:25", "mx", "offer"],
      ["submission", "submission", "require"],
      ["0.0.0.0:465", "submission", "implicit"],
    ]);
    assertMatch(yaml, /socket: \/var\/spool\/postfix\/private\/auth # main.cf:13/);
    assertMatch(yaml, /retry: \[ "300s", "600s", "1200s", "2400s", "4000s" \]/);
  },
);
