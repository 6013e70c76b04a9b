// Trials: what would become of a route.
#include <utility>

#include "bgp/rib/export.h"
#include "bgp/rib/import.h"
#include "bgp/rib/rib.h"
#include "bgp/rib/tables.h"
#include "towpath/base/check.h"

namespace towpath::bgp {
namespace {

// The name of the rule that decided, where one did.
std::string deciding_rule(const PolicyOutcome& outcome, const std::vector<RuleReport>& reports) {
  return outcome.verdict && !reports.empty() ? reports.back().rule : std::string();
}

}  // namespace

ImportTrial Rib::try_import(PeerId peer, const Prefix& prefix, const PathAttributes& attributes) const {
  TOWPATH_CHECK(peer.value < tables_->peers.size() && tables_->peers[peer.value].in_use);
  const RibPeer& from = tables_->peers[peer.value].peer;
  ImportTrial trial;
  trial.received = trial.used = attributes;
  const AttributeId id = tables_->attributes.intern(attributes, attributes.next_hop);
  {
    Importer importer(*tables_, from, attributes, attributes.next_hop, id);
    const Importer::Result result = importer.import(prefix);
    trial.exclusion = result.exclusion;
    if (result.exclusion == PathExclusion::kNone || result.exclusion == PathExclusion::kUnreachable)
      trial.used = tables_->attributes.get(result.attributes);
  }
  tables_->attributes.unref(id);
  // The rules speak only where nothing before them has decided.
  const bool denied = trial.exclusion == PathExclusion::kNotAuthorised;
  const bool asked = trial.exclusion == PathExclusion::kNone ||
                     trial.exclusion == PathExclusion::kImportRules ||
                     trial.exclusion == PathExclusion::kUnreachable;
  const PolicyPtr& policy = denied ? from.authorisation : from.import_policy;
  if (!policy || (!denied && !asked)) return trial;
  PolicyRoute route{prefix, route_source(from.kind), attributes};
  trial.decided_by = deciding_rule(policy->apply(route, tables_->identity.as, trial.rules), trial.rules);
  return trial;
}

ExportTrial Rib::try_export(PeerId peer, const Prefix& prefix, const ExportTarget& target) const {
  ExportTrial trial;
  const Family family = unicast(prefix.family());
  const std::uint32_t number = tables_->prefixes[index(family)].find(prefix);
  const PathEntry* best = number == kNoIndex ? nullptr : tables_->best(PrefixRef::make(family, number));
  if (best == nullptr) {
    trial.refusal = ExportRefusal::kNoRoute;
    return trial;
  }
  const RibPeer& source = tables_->peers[best->peer.value].peer;
  trial.source = best->peer;
  trial.held = tables_->attributes.get(best->attributes);
  trial.refusal = best->peer == peer ? ExportRefusal::kOwnRoute
                                     : refusal_by_session(tables_->attributes.keys(best->attributes),
                                                          source.kind, family, target);
  if (trial.refusal != ExportRefusal::kNone) return trial;
  PolicyOutcome outcome;
  bool next_hop_is_v6 = trial.held.next_hop.address.is_v6();
  if (target.policy) {
    PolicyRoute route{prefix, route_source(source.kind), trial.held};
    outcome = target.policy->apply(route, target.local_as, trial.rules);
    trial.decided_by = deciding_rule(outcome, trial.rules);
    next_hop_is_v6 = route.attributes.next_hop.address.is_v6();
  }
  trial.refusal = refusal_by_policy(outcome, next_hop_is_v6, source.kind, family, target);
  if (trial.refusal != ExportRefusal::kNone) return trial;
  trial.sent = target.policy ? *exported_by_policy(prefix, trial.held, source, target, tables_->identity)
                             : exported(trial.held, source, family, target, tables_->identity);
  return trial;
}

}  // namespace towpath::bgp
