// The rows of `advertise` and `advertised`: prefixes beside the blocks.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "agent/advertise/advertiser.h"
#include "agent/control/row_source.h"

namespace towpath::agent {

// All of them, as they stand when the request comes.
class AdvertisedRows final : public RowSource {
 public:
  explicit AdvertisedRows(std::vector<AdvertisedPrefix> rows) : rows_(std::move(rows)) {}
  bool next_slice(RowWriter& rows) override;

 private:
  std::vector<AdvertisedPrefix> rows_;
  std::size_t next_ = 0;
};

// The answers to `advertise` and `withdraw`.
std::expected<std::unique_ptr<RowSource>, ControlFailure> renew_lease(Advertiser& advertiser,
                                                                      const control::LeaseRequest& request);
std::expected<std::unique_ptr<RowSource>, ControlFailure> withdraw_lease(
    Advertiser& advertiser, const control::LeaseRequest& request);

}  // namespace towpath::agent
