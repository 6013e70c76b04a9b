#include "agent/control/advertised_rows.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace towpath::agent {
namespace {

using control::Code;

std::string_view health_of(const AdvertisedPrefix& row) {
  if (!row.checked) return "unchecked";
  if (!row.healthy) return "unknown";
  return *row.healthy ? "healthy" : "unhealthy";
}

void write_row(JsonWriter& json, const AdvertisedPrefix& row) {
  json.field("prefix", row.prefix.to_string())
      .field("family", format(row.prefix.family()))
      .field("source", row.lease ? "lease" : "configuration")
      .field("announced", row.announced);
  if (row.lease) {
    const auto now = std::chrono::steady_clock::now();
    const auto seconds = [](auto duration) {
      return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
    };
    json.field("owner", row.lease->owner)
        .field("lease_seconds", row.lease->length.count())
        .field("ends_in_seconds", std::max<std::int64_t>(0, seconds(row.lease->ends - now)))
        .field("since_seconds", seconds(now - row.lease->since));
  }
  json.field("health", health_of(row)).field("problem", row.problem);
}

ControlFailure failure_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kInvalid: return {Code::kBadArgument, error.message};
    case ErrorKind::kNotFound: return {Code::kNotFound, error.message};
    case ErrorKind::kConflict:
    case ErrorKind::kExhausted: return {Code::kConflict, error.message};
    default: return {Code::kInternal, error.message};
  }
}

}  // namespace

bool AdvertisedRows::next_slice(RowWriter& rows) {
  const std::size_t end = std::min(next_ + kSliceEntries, rows_.size());
  for (; next_ < end; ++next_) {
    rows.row([&](JsonWriter& json) { write_row(json, rows_[next_]); });
  }
  return next_ < rows_.size();
}

std::expected<std::unique_ptr<RowSource>, ControlFailure> renew_lease(Advertiser& advertiser,
                                                                      const control::LeaseRequest& request) {
  auto lease =
      advertiser.renew(request.prefix, request.owner.value_or(""), std::chrono::seconds(request.seconds));
  if (!lease) return std::unexpected(failure_of(lease.error()));
  std::vector<AdvertisedPrefix> row{
      {.prefix = request.prefix, .announced = true, .lease = *std::move(lease)}};
  return std::make_unique<AdvertisedRows>(std::move(row));
}

std::expected<std::unique_ptr<RowSource>, ControlFailure> withdraw_lease(
    Advertiser& advertiser, const control::LeaseRequest& request) {
  const Status withdrawn = advertiser.withdraw(request.prefix, request.owner);
  if (!withdrawn) return std::unexpected(failure_of(withdrawn.error()));
  return std::make_unique<AdvertisedRows>(std::vector<AdvertisedPrefix>{});
}

}  // namespace towpath::agent
