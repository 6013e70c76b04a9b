#include "agent/control/network_policy_rows.h"

#include <algorithm>
#include <utility>

#include "agent/control/single_row.h"
#include "towpath/policy/explain.h"

namespace towpath::agent {
namespace {

std::unexpected<ControlFailure> no_policies() {
  return std::unexpected(ControlFailure{
      control::Code::kNotFound, "there are no network policies, or they are not in force: see status"});
}

void write_list(JsonWriter& json, std::string_view key, const std::vector<std::string>& items) {
  json.key(key).begin_array();
  for (const std::string& item : items) json.value(item);
  json.end_array();
}

class PolicyRows final : public RowSource {
 public:
  explicit PolicyRows(std::shared_ptr<const PolicyView> view) : view_(std::move(view)) {}
  bool next_slice(RowWriter& rows) override {
    const std::size_t end = std::min(next_ + kSliceEntries, view_->endpoints.size());
    for (; next_ < end; ++next_) write(rows, *view_->endpoints[next_]);
    return next_ < view_->endpoints.size();
  }

 private:
  void write(RowWriter& rows, const policy::Endpoint& endpoint) const {
    const policy::EndpointVerdict& verdict = view_->ruleset->endpoints.at(endpoint.interface);
    const auto policies_of = [&](const std::optional<std::string>& chain) {
      return chain ? view_->ruleset->chains.at(*chain).policies : std::vector<std::string>();
    };
    rows.row([&](JsonWriter& json) {
      json.field("interface", endpoint.interface).field("namespace", endpoint.name_space);
      std::vector<std::string> addresses, labels;
      for (const IpAddress& address : endpoint.addresses) addresses.push_back(address.to_string());
      for (const auto& [key, value] : endpoint.labels) labels.push_back(key + "=" + value);
      write_list(json, "addresses", addresses);
      write_list(json, "labels", labels);
      json.field("ingress_isolated", verdict.ingress.has_value());
      write_list(json, "ingress_policies", policies_of(verdict.ingress));
      json.field("egress_isolated", verdict.egress.has_value());
      write_list(json, "egress_policies", policies_of(verdict.egress));
    });
  }

  std::shared_ptr<const PolicyView> view_;
  std::size_t next_ = 0;
};

std::string_view words_for(policy::Judgement judgement) {
  switch (judgement) {
    case policy::Judgement::kAllowed: return "allowed";
    case policy::Judgement::kEgressDenied: return "no egress policy of the sender allows it";
    case policy::Judgement::kIngressDenied: return "no ingress policy of the receiver allows it";
    case policy::Judgement::kUnknownInterface: return "an interface is not known yet";
  }
  return "";
}

}  // namespace

std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_rows(
    std::shared_ptr<const PolicyView> view) {
  if (!view) return no_policies();
  return std::make_unique<PolicyRows>(std::move(view));
}

std::expected<std::unique_ptr<RowSource>, ControlFailure> open_policy_simulation(
    const std::shared_ptr<const PolicyView>& view, const control::FlowQuestion& flow) {
  if (!view) return no_policies();
  std::vector<policy::Endpoint> ends;
  policy::FirstPacket packet{"",
                             "",
                             flow.from,
                             flow.to,
                             static_cast<std::uint8_t>(flow.protocol),
                             static_cast<std::uint16_t>(flow.port)};
  for (const auto& endpoint : view->endpoints) {
    for (const IpAddress& address : endpoint->addresses) {
      if (address == flow.from) packet.from = endpoint->interface;
      if (address == flow.to) packet.to = endpoint->interface;
      if (address == flow.from || address == flow.to) ends.push_back(*endpoint);
    }
  }
  auto said = policy::explain(*view->set, ends, *view->ruleset, packet);
  return std::make_unique<SingleRow>([packet, said = std::move(said)](JsonWriter& json) {
    json.field("allowed", said.judgement == policy::Judgement::kAllowed)
        .field("verdict", words_for(said.judgement))
        .field("from_interface", packet.from)
        .field("to_interface", packet.to);
    write_list(json, "egress_policies", said.egress.policies);
    write_list(json, "egress_allowed_by", said.egress.allowing);
    write_list(json, "ingress_policies", said.ingress.policies);
    write_list(json, "ingress_allowed_by", said.ingress.allowing);
  });
}

}  // namespace towpath::agent
