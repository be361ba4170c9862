/**
 * Configurations of Postfix that real sites could have, with their tables as files, and the mail that is sent to each:
 * written into a folder where both a real Postfix and `postern import` read them. Non-job: running either.
 */
import { programOf } from "./debian.ts";
import { TempFolder } from "./temp.ts";

export interface PostfixSite {
  /** main.cf; `@` before a slash stands for the folder. */
  readonly main: string;
  /** Name to text. `aliases` is one of aliases(5), the others of postmap(1). */
  readonly tables: Readonly<Record<string, string>>;
  /** Domains in which a name is the same person, the system's account. */
  readonly system: readonly string[];
  /** Client, recipient. */
  readonly mail: readonly (readonly [client: string, recipient: string])[];
}

const STRANGER = "192.0.2.77",
  BOTH = `inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_authorized_xclient_hosts = 127.0.0.1
`;

const byStranger = (recipient: string): readonly [string, string] => [STRANGER, recipient];

/** An office: accounts, aliases, two virtual domains, a partner it is backup for, a gateway, a smart host. */
export const OFFICE: PostfixSite = {
  main: `compatibility_level = 3.6
myhostname = mail.example.com
mydomain = example.com
myorigin = $mydomain
mydestination = $myhostname, localhost,
    $mydomain
local_recipient_maps = hash:@/users $alias_maps
alias_maps = hash:@/aliases
mynetworks = 127.0.0.0/8 10.1.0.0/16
recipient_delimiter = +
virtual_alias_domains = shop.example
virtual_alias_maps = hash:@/virtual
virtual_mailbox_domains = boxes.example
virtual_mailbox_maps = hash:@/mailboxes
virtual_mailbox_base = @/vmail
relay_domains = partner.example listed.example
relay_recipient_maps = hash:@/listed
transport_maps = hash:@/transport
relayhost = [relay.example.net]:587
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
smtpd_recipient_restrictions = permit_mynetworks, reject_unauth_destination
${BOTH}`,
  tables: {
    users: "alice x\nbob x\ncarol x\n",
    aliases: `postmaster: root
root: alice
team: alice, bob,
  friend@elsewhere.example
nested: team, carol
`,
    virtual: `shop.example anything
info@shop.example alice bob
orders@shop.example alice+orders, outside@elsewhere.example
sales sam@boxes.example
boss@example.com alice
`,
    mailboxes: "sam@boxes.example boxes.example/sam/\nkim@boxes.example boxes.example/kim/\n",
    listed: "real@listed.example OK\n@partner.example OK\n",
    transport: "partner.example smtp:[127.0.0.1]:1\nlisted.example :[127.0.0.1]:1\n",
  },
  system: ["example.com", "mail.example.com", "localhost"],
  mail: [
    "alice@example.com",
    "ALICE@Example.COM",
    "alice+news@example.com",
    "carol@mail.example.com",
    "bob@localhost",
    "nobody@example.com",
    "team@example.com",
    "nested@mail.example.com",
    "postmaster@example.com",
    "root@example.com",
    "boss@example.com",
    "boss@mail.example.com",
    "sales@example.com",
    "sales@shop.example",
    "info@shop.example",
    "orders@shop.example",
    "none@shop.example",
    "alice@shop.example",
    "sam@boxes.example",
    "sam+x@boxes.example",
    "other@boxes.example",
    "any@partner.example",
    "any@below.partner.example",
    "real@listed.example",
    "fake@listed.example",
    "someone@elsewhere.example",
    "someone%elsewhere.example@example.com",
    "someone@example.com.elsewhere.example",
  ].map(byStranger).concat([
    ["10.1.2.3", "someone@elsewhere.example"],
    ["10.1.2.3", "nobody@example.com"],
    ["10.1.2.3", "fake@listed.example"],
    ["10.2.2.3", "someone@elsewhere.example"],
    ["127.0.0.9", "someone@elsewhere.example"],
  ]),
};

/** Catch-alls, which hide mailboxes in Postfix; a backup MX of all names; a network with an exception. */
export const CATCH_ALL: PostfixSite = {
  main: `compatibility_level = 3.6
myhostname = mx.example.org
myorigin = example.org
mydestination = example.org second.example
local_recipient_maps = hash:@/users
alias_maps =
mynetworks = 127.0.0.1 !10.0.0.1 10.0.0.0/8
virtual_alias_maps = hash:@/virtual
virtual_mailbox_domains = v.example
virtual_mailbox_maps = hash:@/mailboxes
virtual_mailbox_base = @/vmail
relay_domains = backup.example
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
${BOTH}`,
  tables: {
    users: "alice x\nbob x\ndave x\n",
    virtual: `@example.org bob@example.org
dave@example.org dave@example.org
@v.example a@v.example
b@v.example b@v.example, alice@second.example
`,
    mailboxes: "a@v.example v.example/a/\nb@v.example v.example/b/\nc@v.example v.example/c/\n",
  },
  system: ["second.example"],
  mail: [
    "alice@example.org",
    "bob@example.org",
    "dave@example.org",
    "whoever@example.org",
    "alice@second.example",
    "whoever@second.example",
    "a@v.example",
    "b@v.example",
    "c@v.example",
    "d@v.example",
    "x@backup.example",
    "x@below.backup.example",
    "x@elsewhere.example",
  ].map(byStranger).concat([
    ["127.0.0.1", "x@elsewhere.example"],
    ["10.0.0.1", "x@elsewhere.example"],
  ]),
};

/** Writes a site's files and compiles its tables, as an operator does. */
export async function written(site: PostfixSite): Promise<{ folder: TempFolder; main: string }> {
  const folder = await TempFolder.make("postern-import-");
  await Deno.chmod(folder.path, 0o755);
  const main = site.main.replaceAll("@/", `${folder.path}/`);
  await folder.file("main.cf", main);
  for (const [name, text] of Object.entries(site.tables)) {
    await folder.file(name, text);
    const program = name === "aliases" ? "postalias" : "postmap";
    const { success, stderr } = await new Deno.Command(programOf("postfix")!.replace(/postfix$/, program), {
      args: [`hash:${folder.at(name)}`],
      stdin: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(`${program} ${name}: ${new TextDecoder().decode(stderr)}`);
  }
  return { folder, main };
}
