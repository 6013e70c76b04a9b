#include "agent/policy/read_policies.h"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_directory.h"

namespace towpath::agent {
namespace {

using namespace policy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum SelectorOperator;

PolicySet good(const std::string& text) {
  auto set = parse_policies({{"p.yaml", text}});
  EXPECT_TRUE(set) << fmt::format("{}", fmt::join(set ? PolicyErrors() : set.error(), "\n"));
  return set ? *set : PolicySet();
}
PolicyErrors bad(const std::string& text) {
  auto set = parse_policies({{"p.yaml", text}});
  EXPECT_FALSE(set) << text;
  return set ? PolicyErrors() : set.error();
}
// A policy of this spec, each line of it indented by two.
std::string with_spec(const std::string& spec) {
  return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: "
         "shop}\nspec:\n" +
         spec;
}
NetworkPolicy one(const std::string& spec) {
  const PolicySet set = good(with_spec(spec));
  EXPECT_EQ(set.policies.size(), 1U);
  return set.policies.empty() ? NetworkPolicy() : set.policies[0];
}

TEST(ReadPolicies, ReadsEveryFieldOfANetworkPolicy) {
  const NetworkPolicy policy = one(R"(
  podSelector:
    matchLabels: {app: db, tier: "1"}
    matchExpressions:
    - {key: a, operator: In, values: [x, y]}
    - {key: b, operator: NotIn, values: [z]}
    - {key: c, operator: Exists}
    - {key: example.org/d, operator: DoesNotExist}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
    - namespaceSelector: {}
    - namespaceSelector: {matchLabels: {team: ops}}
      podSelector: {}
    - ipBlock: {cidr: 10.1.2.3/8, except: [10.1.0.0/16, 10.2.0.0/16]}
    ports:
    - port: 80
    - {protocol: UDP, port: 1000, endPort: 2000}
    - {protocol: SCTP}
    - {protocol: TCP, port: http}
  egress:
  - to:
    - ipBlock: {cidr: "fd00::/8"}
  - {}
)");
  EXPECT_EQ(policy.id(), "shop/db");
  EXPECT_EQ(policy.pods.match_labels, (Labels{{"app", "db"}, {"tier", "1"}}));
  EXPECT_EQ(policy.pods.match_expressions, (std::vector<Requirement>{{"a", kIn, {"x", "y"}},
                                                                     {"b", kNotIn, {"z"}},
                                                                     {"c", kExists, {}},
                                                                     {"example.org/d", kDoesNotExist, {}}}));
  EXPECT_TRUE(policy.isolates_ingress);
  EXPECT_TRUE(policy.isolates_egress);
  const auto net = [](const char* text) { return *Prefix::parse(text); };
  const PolicyRule ingress{{EndpointSelector{Selector{{{"app", "web"}}, {}}, std::nullopt},
                            EndpointSelector{std::nullopt, Selector{}},
                            EndpointSelector{Selector{}, Selector{{{"team", "ops"}}, {}}},
                            IpBlock{net("10.0.0.0/8"), {net("10.1.0.0/16"), net("10.2.0.0/16")}}},
                           {{Protocol::kTcp, PortRange{80, 80}},
                            {Protocol::kUdp, PortRange{1000, 2000}},
                            {Protocol::kSctp, PortRange{0, 65535}},
                            {Protocol::kTcp, "http"}}};
  EXPECT_THAT(policy.ingress, ElementsAre(ingress));
  EXPECT_THAT(policy.egress, ElementsAre(PolicyRule{{IpBlock{net("fd00::/8"), {}}}, {}}, PolicyRule{}));
}

TEST(ReadPolicies, DefaultsAreThoseOfKubernetes) {
  struct Row {
    const char* reason;
    const char* spec;
    bool ingress, egress;
  };
  for (const Row& row : std::vector<Row>{
           {"no types and no rules", "  {}", true, false},
           {"no types, egress rules", "  egress: [{}]", true, true},
           {"an empty list of egress rules is none", "  egress: []", true, false},
           {"an empty list of types is none", "  {policyTypes: [], egress: [{}]}", true, true},
           {"egress alone", "  policyTypes: [Egress]", false, true},
           {"egress rules that do not count", "  {policyTypes: [Ingress], egress: [{}]}", true, false},
       }) {
    const NetworkPolicy policy = one(row.spec);
    EXPECT_EQ(policy.isolates_ingress, row.ingress) << row.reason;
    EXPECT_EQ(policy.isolates_egress, row.egress) << row.reason;
    EXPECT_EQ(policy.pods, Selector()) << "all pods";
  }
  EXPECT_EQ(one("  ingress: [{from: [], ports: []}]").ingress, std::vector<PolicyRule>{{}});
  EXPECT_EQ(one("  ingress: [{from: [ipBlock: {cidr: 10.0.0.0/8, except: []}]}]").ingress[0].peers[0],
            (PeerMatch{IpBlock{*Prefix::parse("10.0.0.0/8"), {}}}));
}

TEST(ReadPolicies, ReadsDocumentsListsAndNamespaces) {
  const PolicySet set = good(R"(
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: ops, labels: {team: "7"}, uid: abc}
  status: {phase: Active}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: a, annotations: {x: y}}
  spec: {podSelector: {}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b.c, namespace: ops}
spec: {podSelector: {}}
)");
  ASSERT_EQ(set.policies.size(), 2U);
  EXPECT_EQ(set.policies[0].id(), "default/a");
  EXPECT_EQ(set.policies[1].id(), "ops/b.c");
  EXPECT_EQ(set.labels_of("ops"), (Labels{{"team", "7"}, {"kubernetes.io/metadata.name", "ops"}}));
  EXPECT_EQ(set.labels_of("none"), (Labels{{"kubernetes.io/metadata.name", "none"}}));
}

TEST(ReadPolicies, NamesFileObjectFieldAndValueOfWhatIsWrong) {
  struct Row {
    const char* spec;
    const char* complaint;
  };
  for (const Row& row : std::vector<Row>{
           {"  ingress: [{ports: [{port: 99999}]}]",
            "p.yaml:5: NetworkPolicy shop/db: spec.ingress[0].ports[0].port: value '99999': must be a number "
            "from 1 to 65535"},
           {"  ingress: [{ports: [{port: 0}]}]", "value '0'"},
           {"  ingress: [{ports: [{port: \"80\"}]}]", "ports[0].port: value '80': is no port name"},
           {"  ingress: [{ports: [{port: 80, endPort: 79}]}]", "endPort: value '79': must not be smaller"},
           {"  ingress: [{ports: [{endPort: 79}]}]", "endPort: value '79': needs `port`"},
           {"  ingress: [{ports: [{port: http, endPort: 79}]}]", "endPort: value '79': needs `port`"},
           {"  ingress: [{ports: [{protocol: ICMP}]}]",
            "protocol: value 'ICMP': must be one of TCP, UDP, SCTP"},
           {"  ingress: [{ports: [{protocol: tcp}]}]", "value 'tcp'"},
           {"  ingress: [{from: [{}]}]", "spec.ingress[0].from[0]: must have podSelector"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]", "ipBlock stands alone"},
           {"  ingress: [{from: [{ipBlock: {}}]}]", "ipBlock.cidr: is missing"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0}}]}]", "cidr: value '10.0.0.0': must be"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]", "from 0 to 32"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]",
            "except[0]: value '11.0.0.0/16': must lie inside 10.0.0.0/8"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]", "and be smaller"},
           {"  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [\"fd00::/16\"]}}]}]",
            "must lie inside"},
           {"  ingress: [{to: []}]", "spec.ingress[0].to: unknown key"},
           {"  policyTypes: [Both]", "policyTypes[0]: value 'Both': must be one of Ingress, Egress"},
           {"  policyTypes: [Ingress, Egress, Egress]", "two policyTypes at most"},
           {"  podSelector: {matchLabels: {app: 1}}", "matchLabels.app: value '1': must be text"},
           {"  podSelector: {matchLabels: {app: true}}", "must be text"},
           {"  podSelector: {matchLabels: {-app: x}}", "is no label key"},
           {"  podSelector: {matchLabels: {app: \"a b\"}}", "is no label value"},
           {"  podSelector: {matchLabels: {app: a, app: b}}", "given twice"},
           {"  podSelector: {matchExpressions: [{key: a, operator: In}]}", "need at least one of `values`"},
           {"  podSelector: {matchExpressions: [{key: a, operator: NotIn, values: []}]}",
            "need at least one"},
           {"  podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}", "take no values"},
           {"  podSelector: {matchExpressions: [{key: a, operator: Gt, values: [b]}]}",
            "value 'Gt': must be one of"},
           {"  podSelector: {matchExpressions: [{operator: Exists}]}", "matchExpressions[0].key: is missing"},
           {"  podselector: {}", "did you mean 'podSelector'?"},
       }) {
    const PolicyErrors errors = bad(with_spec(row.spec));
    EXPECT_THAT(errors, ElementsAre(HasSubstr(row.complaint))) << row.spec;
    for (const std::string& error : errors)
      EXPECT_THAT(error, testing::StartsWith("p.yaml:5: NetworkPolicy shop/db: spec."));
  }
}

TEST(ReadPolicies, RefusesObjectsThatItDoesNotKnow) {
  EXPECT_THAT(bad("apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"),
              ElementsAre(HasSubstr("p.yaml:2: kind: value 'Pod': apiVersion v1 is not supported")));
  EXPECT_THAT(bad("apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: x}\n"),
              ElementsAre(HasSubstr("extensions/v1beta1 is not supported")));
  EXPECT_THAT(bad("kind: NetworkPolicy\n"), ElementsAre(HasSubstr("apiVersion: is missing")));
  EXPECT_THAT(bad("- a\n"), ElementsAre(HasSubstr("must be a mapping")));
  EXPECT_THAT(bad("a: [\n"), ElementsAre(HasSubstr("not valid YAML")));
  EXPECT_THAT(
      bad("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: x}\nspec: {}\n"),
      ElementsAre(HasSubstr("metadata.name: is missing")));
  EXPECT_THAT(bad("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\n"),
              ElementsAre(HasSubstr("NetworkPolicy default/x: spec: is missing")));
  EXPECT_THAT(bad("apiVersion: v1\nkind: Namespace\nmetadata: {name: x, namespace: y}\n"),
              ElementsAre(HasSubstr("a Namespace lies in none")));
}

TEST(ReadPolicies, GathersTheComplaintsOfAllFilesAndTellsOfTwins) {
  const auto set = parse_policies(
      {{"a.yaml", with_spec("  {}")}, {"b.yaml", with_spec("  {}")}, {"c.yaml", with_spec("  x: 1")}});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error(), ElementsAre("b.yaml:1: NetworkPolicy shop/db: given twice, first in a.yaml:1",
                                       HasSubstr("c.yaml:1: NetworkPolicy shop/db: given twice"),
                                       HasSubstr("c.yaml:5: NetworkPolicy shop/db: spec.x: unknown key")));
}

class LoadPolicies : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_.path() + "/" + name) << text;
  }
  test::TemporaryDirectory directory_;
};

TEST_F(LoadPolicies, NoDirectoryIsNotAnEmptyOne) {
  const auto none = load_policies(directory_.path() + "/none");
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  const auto empty = load_policies(directory_.path());
  ASSERT_TRUE(empty);
  ASSERT_TRUE(empty->has_value());
  EXPECT_EQ(**empty, PolicySet());
}

TEST_F(LoadPolicies, TakesFilesByTheirNames) {
  write("b.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n");
  write("a.yml", with_spec("  {}"));
  write("c.json", R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "c"}})");
  write(".hidden.yaml", "nonsense");
  write("b.yaml.swp", "nonsense");
  std::filesystem::create_directory(directory_.path() + "/folder.yaml");
  const auto set = load_policies(directory_.path());
  ASSERT_TRUE(set) << set.error()[0];
  EXPECT_EQ((*set)->policies.size(), 1U);
  EXPECT_EQ((*set)->namespaces.size(), 2U);
}

TEST_F(LoadPolicies, RefusesAllForOneFile) {
  write("a.yaml", with_spec("  {}"));
  write("b.yaml", "nonsense");
  const auto set = load_policies(directory_.path());
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error(),
              ElementsAre(HasSubstr(directory_.path() + "/b.yaml:1: value 'nonsense': must be a mapping")));
  std::filesystem::remove(directory_.path() + "/b.yaml");
  write("b.yaml", "");
  EXPECT_THAT(load_policies(directory_.path()).error(), ElementsAre(HasSubstr("/b.yaml: is empty")));
  std::filesystem::remove(directory_.path() + "/b.yaml");
  std::filesystem::create_symlink("nowhere", directory_.path() + "/c.yaml");
  EXPECT_THAT(load_policies(directory_.path()).error(), ElementsAre(HasSubstr("/c.yaml: open")));
}

}  // namespace
}  // namespace towpath::agent
