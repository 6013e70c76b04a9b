// A trial must say what then happens: each generated route is tried first and announced afterwards.
#include <gtest/gtest.h>

#include <random>

#include "rib_fixture.h"

namespace towpath::bgp {
namespace {

template <class T>
using Choices = std::vector<T>;

// Values from small sets, so that rules and routes meet often.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  bool one_in(unsigned n) { return random_() % n == 0; }
  template <class T>
  T of(const Choices<T>& choices) {
    return choices[random_() % choices.size()];
  }

  Prefix some_prefix() { return prefix(of(prefixes_)); }
  Community some_community() {
    return of<Community>(
        {{65001U << 16 | 1}, {65001U << 16 | 2}, kNoExport, kNoAdvertise, kGracefulShutdown});
  }

  PathAttributes route(AddressFamily family) {
    PathAttributes a;
    for (std::size_t i = random_() % 3; i > 0; --i)
      a.as_path.prepend({of<std::uint32_t>({65001, 65002, 65000})});
    a.origin = of<Origin>({Origin::kIgp, Origin::kEgp, Origin::kIncomplete});
    if (one_in(2)) a.med = static_cast<std::uint32_t>(random_() % 3);
    if (one_in(2)) a.local_pref = static_cast<std::uint32_t>(100 + random_() % 3);
    if (one_in(2)) a.communities.push_back(some_community());
    if (one_in(4)) a.only_to_customer = AsNumber{of<std::uint32_t>({65001, 65002})};
    if (one_in(8)) a.originator_id = RouterId{of<std::uint32_t>({0x0A000001, 7})};
    if (one_in(8)) a.cluster_list = {{of<std::uint32_t>({0x0A000001, 9})}};
    const bool v4 = family == AddressFamily::kIpv4 && !one_in(5);  // RFC 8950
    // The first one is ours, the second one nobody's.
    a.next_hop = next_hop(v4 ? of<std::string>({"192.0.2.1", "0.0.0.0", "198.51.100.1", "198.51.100.2"})
                             : of<std::string>({"2001:db8::1", "::", "2001:db8:1::1", "2001:db8:1::2"}));
    return a;
  }

  RouteRule rule(std::size_t number, bool on_export) {
    RouteRule r;
    r.name = "rule[" + std::to_string(number) + "]";
    if (one_in(2)) r.match.prefixes = {{some_prefix(), 0, 128}};
    if (one_in(4)) r.match.communities = {CommunityPattern::of(some_community())};
    if (one_in(4)) r.match.as_path_contains = {{of<std::uint32_t>({65001, 65002})}};
    if (one_in(6)) r.match.next_hops = {prefix("198.51.100.1/32")};
    if (one_in(6)) r.match.sources = {of<RouteSource>({RouteSource::kExternal, RouteSource::kOwn})};
    if (one_in(3)) r.changes.local_pref = static_cast<std::uint32_t>(200 + random_() % 2);
    if (one_in(4)) r.changes.remove_med = true;
    if (one_in(3)) r.changes.add_communities = {CommunityPattern::of(some_community())};
    if (on_export && one_in(4)) r.changes.prepend = 2;
    if (on_export && one_in(4))
      r.changes.next_hop = of<NextHopRule>({NextHopRule::kSelf, NextHopRule::kUnchanged});
    if (one_in(2)) {
      r.verdict = of<Verdict>({Verdict::kAccept, Verdict::kReject});
    } else if (!on_export && one_in(4)) {
      r.verdict = Verdict::kBlackhole;
    }
    return r;
  }

  PolicyPtr policy(bool on_export) {
    std::vector<RouteRule> rules;
    for (std::size_t i = random_() % 4; i > 0; --i) rules.push_back(rule(rules.size(), on_export));
    if (!on_export && one_in(2)) rules.push_back(accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}}));
    return PolicyPtr(rules);
  }

  RibPeer peer() {
    RibPeer p =
        rib_peer("198.51.100.1", of<PeerKind>({PeerKind::kExternal, PeerKind::kInternal, PeerKind::kClient}));
    p.as = {p.kind == PeerKind::kExternal ? 65001U : 65000U};
    p.import_policy = policy(false);
    if (one_in(3)) p.authorisation = PolicyPtr(denying("10.1.0.0/16"));
    if (p.kind == PeerKind::kExternal && one_in(2)) {
      p.role = of<Role>({Role::kProvider, Role::kCustomer, Role::kPeer, Role::kRouteServer});
    }
    return p;
  }

  ExportTarget target_of(PeerKind kind) {
    ExportTarget t = target(kind, one_in(2) ? ExportScope::kAll : ExportScope::kOwn);
    t.policy = policy(true);
    if (kind == PeerKind::kExternal && one_in(2))
      t.role = of<Role>({Role::kProvider, Role::kCustomer, Role::kPeer});
    if (one_in(5)) t.drain = of<Drain>({Drain::kAnnounced, Drain::kWithdrawn});
    t.session.extended_next_hop = one_in(2);
    t.session.families[1].enabled = !one_in(4);
    if (one_in(4)) t.next_hop_self[of<std::size_t>({0, 1})].reset();
    return t;
  }

 private:
  static std::vector<RouteRule> denying(const std::string& text) {
    std::vector<RouteRule> rules{accept_prefixes("pools", {{prefix(text), 0, 128}})};
    rules[0].verdict = Verdict::kReject;
    return rules;
  }

  std::mt19937 random_;
  Choices<std::string> prefixes_{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24",    "192.168.0.0/16",
                                 "0.0.0.0/0",  "::/0",        "2001:db8:9::/48"};
};

// The rule that the trial names is the last one that was asked, and says so itself.
void expect_reports_to_agree(const std::vector<RuleReport>& rules, const std::string& decided_by) {
  if (decided_by.empty()) return;
  ASSERT_FALSE(rules.empty());
  EXPECT_EQ(rules.back().rule, decided_by);
  EXPECT_TRUE(rules.back().matched);
}

TEST(RibTrial, ImportSaysWhatThenHappens) {
  std::map<PathExclusion, int> seen;
  int changed = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generator generate(seed);
    Rib rib(identity());
    const PeerId peer = rib.add_peer(generate.peer());
    const Prefix which = generate.some_prefix();
    const PathAttributes sent = generate.route(which.family());
    const ImportTrial trial = rib.try_import(peer, which, sent);
    ASSERT_EQ(rib.path_count(), 0U);
    ASSERT_EQ(rib.attribute_set_count(), 0U) << "a trial leaves nothing behind";

    const NlriEntry nlri{which, 0};
    rib.announce(peer, unicast(which.family()), sent.next_hop, {&nlri, 1}, sent, at_second(1));
    const auto rows = rib.find(which, at_second(1));
    ASSERT_EQ(rows.size(), 1U);
    ASSERT_EQ(trial.exclusion, rows[0].exclusion)
        << format(trial.exclusion) << ", " << format(rows[0].exclusion);
    EXPECT_EQ(trial.used, rows[0].attributes);
    EXPECT_EQ(trial.received, sent);
    expect_reports_to_agree(trial.rules, trial.decided_by);
    EXPECT_TRUE(trial.exclusion != PathExclusion::kNone || !trial.decided_by.empty()) << "RFC 8212";
    ++seen[trial.exclusion];
    if (trial.used != sent) ++changed;
    // And again, now that the same set is in use.
    EXPECT_EQ(rib.try_import(peer, which, sent).used, trial.used);
    EXPECT_EQ(rib.find(which, at_second(1)).size(), 1U);
  }
  EXPECT_EQ(seen.size(), 8U) << "every reason there is";
  EXPECT_GT(changed, 100);
}

TEST(RibTrial, ExportSaysWhatThenIsSent) {
  std::map<ExportRefusal, int> seen;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generator generate(seed);
    Rib rib(identity());
    RibPeer from = generate.peer();
    from.import_policy = generate.one_in(8) ? PolicyPtr() : accept_all();
    from.role.reset();
    const PeerId source = rib.add_peer(from);
    RibPeer other = generate.peer();
    other.address = address("198.51.100.9");
    const PeerId reader = generate.one_in(10) ? source : rib.add_peer(other);
    const PeerKind kind = reader == source ? from.kind : other.kind;
    const Prefix which = generate.some_prefix();
    PathAttributes sent = generate.route(which.family());
    if (from.kind == PeerKind::kExternal) sent.local_pref.reset();
    if (generate.one_in(3)) {
      rib.originate(which, {}, at_second(1));
    } else {
      const NlriEntry nlri{which, 0};
      rib.announce(source, unicast(which.family()), sent.next_hop, {&nlri, 1}, sent, at_second(1));
    }
    const ExportTarget to = generate.target_of(kind);
    const ExportTrial trial = rib.try_export(reader, which, to);

    Receiver receiver(to);
    rib.open_output(reader, to);
    receiver.pull_all(rib, reader);
    const auto told = receiver.routes.find(which);
    ASSERT_EQ(trial.refusal == ExportRefusal::kNone, told != receiver.routes.end()) << format(trial.refusal);
    EXPECT_EQ(trial.sent, told == receiver.routes.end() ? PathAttributes{} : told->second);
    expect_reports_to_agree(trial.rules, trial.decided_by);
    EXPECT_TRUE(trial.refusal != ExportRefusal::kRules || !trial.decided_by.empty());
    EXPECT_EQ(trial.source.has_value(), trial.refusal != ExportRefusal::kNoRoute);
    ++seen[trial.refusal];
  }
  EXPECT_EQ(seen.size(), 13U) << "every reason there is";
}

TEST(RibTrial, TheRulesTellTheirStory) {
  Rib rib(identity());
  RibPeer from = rib_peer("198.51.100.1", PeerKind::kExternal);
  RouteRule no_leaks;
  no_leaks.name = "import[0]";
  no_leaks.match.as_path_contains = {{65010}};
  no_leaks.verdict = Verdict::kReject;
  RouteRule preferred;
  preferred.name = "import[1]";
  preferred.changes.local_pref = 200;
  from.import_policy =
      PolicyPtr({no_leaks, preferred, accept_prefixes("pools", {{prefix("10.0.0.0/8"), 8, 32}})});
  const PeerId peer = rib.add_peer(from);
  PathAttributes route = attributes({65001});
  route.next_hop = next_hop("198.51.100.1");

  const ImportTrial inside = rib.try_import(peer, prefix("10.1.0.0/16"), route);
  EXPECT_EQ(inside.exclusion, PathExclusion::kNone);
  EXPECT_EQ(inside.decided_by, "pools");
  EXPECT_EQ(inside.used.local_pref, 200U);
  ASSERT_EQ(inside.rules.size(), 3U);
  EXPECT_EQ(inside.rules[0].text, "as_path.contains");
  EXPECT_FALSE(inside.rules[0].matched);
  EXPECT_EQ(inside.rules[1].text, "local_pref 200, goes on");
  EXPECT_TRUE(inside.rules[1].matched);

  const ImportTrial outside = rib.try_import(peer, prefix("192.168.0.0/16"), route);
  EXPECT_EQ(outside.exclusion, PathExclusion::kImportRules);
  EXPECT_EQ(outside.decided_by, "") << "RFC 8212: nobody rejects it, and nobody accepts it";
  EXPECT_EQ(outside.used, route);

  route.as_path = as_path({65001, 65010});
  EXPECT_EQ(rib.try_import(peer, prefix("10.1.0.0/16"), route).decided_by, "import[0]");
  route.as_path = as_path({65001, 65000});
  const ImportTrial loop = rib.try_import(peer, prefix("10.1.0.0/16"), route);
  EXPECT_EQ(loop.exclusion, PathExclusion::kAsLoop);
  EXPECT_TRUE(loop.rules.empty()) << "no rule is asked about a loop";
}

}  // namespace
}  // namespace towpath::bgp
