/**
 * The test data of the Public Suffix List, which count its private part in. Names come back in A-labels here, in the
 * suite as they were asked.
 */
import { assertEquals, assertGreater } from "@std/assert";
import { canonicalDomain } from "../../core/model/domain.ts";
import { registrableDomain } from "../../core/model/registrable_domain.ts";
import { readVectors } from "../support/vectors.ts";

const cases = readVectors<readonly (readonly [name: string | null, expected: string | null])[]>(
  "publicsuffix/tests/test_psl.json",
);

Deno.test({
  name: "publicsuffix: every name has the registrable domain of the suite",
  ignore: cases === null,
  fn() {
    const asked = cases!.filter(([name]) => name !== null); // "no name" is no string
    assertGreater(asked.length, 70);
    const found = asked.map(([name]) => [name, registrableDomain(name!)]);
    assertEquals(found, asked.map(([name, expected]) => [name, expected && canonicalDomain(expected)]));
  },
});
