#include "netlink/nft_transaction.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "netlink/kernel_error.h"
#include "netlink/message_reader.h"
#include "netlink/port_elements.h"

namespace towpath::netlink {
namespace {

// libnftnl writes without asking how much room there is; one request of ours is a small part of this.
constexpr std::size_t kRequestRoom = 16 * 1024;

template <class T, void (*kFree)(const T*)>
struct NftnlDelete {
  void operator()(T* object) const { kFree(object); }
};
using TablePtr = std::unique_ptr<nftnl_table, NftnlDelete<nftnl_table, nftnl_table_free>>;
using ChainPtr = std::unique_ptr<nftnl_chain, NftnlDelete<nftnl_chain, nftnl_chain_free>>;
using SetPtr = std::unique_ptr<nftnl_set, NftnlDelete<nftnl_set, nftnl_set_free>>;
using RulePtr = std::unique_ptr<nftnl_rule, NftnlDelete<nftnl_rule, nftnl_rule_free>>;

}  // namespace

NftTransaction::NftTransaction(NetlinkSocket& socket, const char* table) : socket_(socket), table_(table) {
  append_marker(NFNL_MSG_BATCH_BEGIN);
}

void NftTransaction::append_marker(std::uint16_t type) {
  const std::uint32_t sequence = socket_.next_sequence();
  if (descriptions_.empty()) first_sequence_ = sequence;
  descriptions_.emplace_back("commit the nf_tables transaction");
  append_nft_marker(buffer_, type, sequence);
}

template <class Build>
void NftTransaction::append(std::string description, std::uint16_t type, std::uint16_t flags, Build&& build) {
  descriptions_.push_back(std::move(description));
  const std::size_t start = buffer_.size();
  buffer_.resize(start + kRequestRoom);
  nlmsghdr* header = nftnl_nlmsg_build_hdr(reinterpret_cast<char*>(buffer_.data() + start), type,
                                           NFPROTO_INET, flags, socket_.next_sequence());
  build(header);
  buffer_.resize(start + NLMSG_ALIGN(header->nlmsg_len));
}

void NftTransaction::add_table() {
  const TablePtr table(nftnl_table_alloc());
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, table_);
  append(fmt::format("add table inet {}", table_), NFT_MSG_NEWTABLE, NLM_F_CREATE,
         [&](nlmsghdr* header) { nftnl_table_nlmsg_build_payload(header, table.get()); });
}

void NftTransaction::delete_table() {
  const TablePtr table(nftnl_table_alloc());
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, table_);
  append(fmt::format("delete table inet {}", table_), NFT_MSG_DELTABLE, 0,
         [&](nlmsghdr* header) { nftnl_table_nlmsg_build_payload(header, table.get()); });
}

void NftTransaction::add_base_chain(const char* chain, const char* type, Hook hook) {
  const ChainPtr object(nftnl_chain_alloc());
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TABLE, table_);
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_NAME, chain);
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TYPE, type);
  nftnl_chain_set_u32(object.get(), NFTNL_CHAIN_HOOKNUM, hook.number);
  nftnl_chain_set_s32(object.get(), NFTNL_CHAIN_PRIO, hook.priority);
  nftnl_chain_set_u32(object.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  append(fmt::format("add chain inet {} {}", table_, chain), NFT_MSG_NEWCHAIN, NLM_F_CREATE,
         [&](nlmsghdr* header) { nftnl_chain_nlmsg_build_payload(header, object.get()); });
}

void NftTransaction::add_chain(const char* chain) {
  const ChainPtr object(nftnl_chain_alloc());
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TABLE, table_);
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_NAME, chain);
  append(fmt::format("add chain inet {} {}", table_, chain), NFT_MSG_NEWCHAIN, NLM_F_CREATE,
         [&](nlmsghdr* header) { nftnl_chain_nlmsg_build_payload(header, object.get()); });
}

void NftTransaction::delete_chain(const char* chain) {
  const ChainPtr object(nftnl_chain_alloc());
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_TABLE, table_);
  nftnl_chain_set_str(object.get(), NFTNL_CHAIN_NAME, chain);
  append(fmt::format("delete chain inet {} {}", table_, chain), NFT_MSG_DELCHAIN, 0,
         [&](nlmsghdr* header) { nftnl_chain_nlmsg_build_payload(header, object.get()); });
}

void NftTransaction::flush_chain(const char* chain) {
  const RulePtr all(nftnl_rule_alloc());  // without a handle: every rule of the chain
  nftnl_rule_set_str(all.get(), NFTNL_RULE_TABLE, table_);
  nftnl_rule_set_str(all.get(), NFTNL_RULE_CHAIN, chain);
  append(fmt::format("flush chain inet {} {}", table_, chain), NFT_MSG_DELRULE, 0,
         [&](nlmsghdr* header) { nftnl_rule_nlmsg_build_payload(header, all.get()); });
}

void NftTransaction::add_rule(const char* chain, const char* comment,
                              const std::function<void(nftnl_rule&)>& fill) {
  const RulePtr rule(nftnl_rule_alloc());
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_TABLE, table_);
  nftnl_rule_set_str(rule.get(), NFTNL_RULE_CHAIN, chain);
  // What `nft list ruleset` shows behind the rule, for the person who wonders.
  const std::unique_ptr<nftnl_udata_buf, void (*)(const nftnl_udata_buf*)> user_data(
      nftnl_udata_buf_alloc(256), nftnl_udata_buf_free);
  nftnl_udata_put_strz(user_data.get(), NFTNL_UDATA_RULE_COMMENT, comment);
  nftnl_rule_set_data(rule.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(user_data.get()),
                      nftnl_udata_buf_len(user_data.get()));
  fill(*rule);
  append(fmt::format("add rule inet {} {} ({})", table_, chain, comment), NFT_MSG_NEWRULE,
         NLM_F_CREATE | NLM_F_APPEND,
         [&](nlmsghdr* header) { nftnl_rule_nlmsg_build_payload(header, rule.get()); });
}

void NftTransaction::add_set(const char* set, SetType key) {
  add_set_of(set, key, {0, 0}, 0, {});
}

void NftTransaction::add_map(const char* map, SetType key, SetType data) {
  add_set_of(map, key, data, NFT_SET_MAP, {});
}

void NftTransaction::add_fleeting_set(const char* set, SetType key, std::chrono::milliseconds lifetime) {
  add_set_of(set, key, {0, 0}, NFT_SET_TIMEOUT, {}, lifetime);
}

void NftTransaction::add_verdict_map(const char* map, SetType key) {
  add_set_of(map, key, {NFT_DATA_VERDICT, 0}, NFT_SET_MAP, {});
}

void NftTransaction::add_interval_set(const char* set, SetType key, std::span<const std::uint8_t> fields) {
  add_set_of(set, key, {0, 0}, NFT_SET_INTERVAL | NFT_SET_CONCAT, fields);
}

void NftTransaction::add_set_of(const char* set, SetType key, SetType data, std::uint32_t flags,
                                std::span<const std::uint8_t> fields, std::chrono::milliseconds lifetime) {
  const SetPtr object(nftnl_set_alloc());
  nftnl_set_set_str(object.get(), NFTNL_SET_TABLE, table_);
  nftnl_set_set_str(object.get(), NFTNL_SET_NAME, set);
  nftnl_set_set_u32(object.get(), NFTNL_SET_ID, ++sets_);  // names a set inside the transaction
  nftnl_set_set_u32(object.get(), NFTNL_SET_KEY_TYPE, key.types);
  nftnl_set_set_u32(object.get(), NFTNL_SET_KEY_LEN, key.size);
  if (flags != 0) nftnl_set_set_u32(object.get(), NFTNL_SET_FLAGS, flags);
  if (flags & NFT_SET_TIMEOUT)
    nftnl_set_set_u64(object.get(), NFTNL_SET_TIMEOUT, static_cast<std::uint64_t>(lifetime.count()));
  if (flags & NFT_SET_MAP) {
    nftnl_set_set_u32(object.get(), NFTNL_SET_DATA_TYPE, data.types);
    nftnl_set_set_u32(object.get(), NFTNL_SET_DATA_LEN, data.size);
  }
  // In which order of bytes nft shall show the key.
  constexpr std::uint32_t kHostOrder = 1, kNetworkOrder = 2;
  const std::unique_ptr<nftnl_udata_buf, void (*)(const nftnl_udata_buf*)> user_data(
      nftnl_udata_buf_alloc(64), nftnl_udata_buf_free);
  nftnl_udata_put_u32(user_data.get(), NFTNL_UDATA_SET_KEYBYTEORDER,
                      (flags & NFT_SET_MAP) && data.types == NFT_DATA_VERDICT ? kHostOrder : kNetworkOrder);
  nftnl_set_set_data(object.get(), NFTNL_SET_USERDATA, nftnl_udata_buf_data(user_data.get()),
                     nftnl_udata_buf_len(user_data.get()));
  if (!fields.empty())
    nftnl_set_set_data(object.get(), NFTNL_SET_DESC_CONCAT, fields.data(),
                       static_cast<std::uint32_t>(fields.size()));
  append(fmt::format("add set inet {} {}", table_, set), NFT_MSG_NEWSET, NLM_F_CREATE,
         [&](nlmsghdr* header) { nftnl_set_nlmsg_build_payload(header, object.get()); });
}

void NftTransaction::delete_set(const char* set) {
  const SetPtr object(nftnl_set_alloc());
  nftnl_set_set_str(object.get(), NFTNL_SET_TABLE, table_);
  nftnl_set_set_str(object.get(), NFTNL_SET_NAME, set);
  append(fmt::format("delete set inet {} {}", table_, set), NFT_MSG_DELSET, 0,
         [&](nlmsghdr* header) { nftnl_set_nlmsg_build_payload(header, object.get()); });
}

void NftTransaction::add_elements(const char* set, std::span<const SetElement> elements) {
  append_elements("add", set, NFT_MSG_NEWSETELEM, NLM_F_CREATE, elements);
}

void NftTransaction::delete_elements(const char* set, std::span<const SetElement> elements) {
  append_elements("delete", set, NFT_MSG_DELSETELEM, 0, elements);
}

// Written without libnftnl, which would make an object of each.
void NftTransaction::append_elements(const char* verb, const char* set, std::uint16_t type,
                                     std::uint16_t flags, std::span<const SetElement> elements) {
  constexpr std::size_t kElementsPerRequest = 256;  // an attribute holds 64 KiB
  while (!elements.empty()) {
    const auto part = elements.first(std::min(elements.size(), kElementsPerRequest));
    elements = elements.subspan(part.size());
    descriptions_.push_back(fmt::format("{} elements of set inet {} {}", verb, table_, set));
    MessageWriter writer(buffer_);
    writer.begin(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                 static_cast<std::uint16_t>(NLM_F_REQUEST | flags), socket_.next_sequence());
    nfgenmsg family{};
    family.nfgen_family = NFPROTO_INET;
    writer.fixed(family);
    write_elements(writer, set, part, table_);
    writer.end();
  }
}

Status NftTransaction::commit() {
  if (descriptions_.size() == 1) return {};
  // The kernel answers once it has carried out or undone all requests: for each that it refused, and for the
  // last, which asks for it. It answers for the opening marker alone when it does not even look at the
  // requests, which need a capability, or there is no nf_tables; or when it refuses them as a whole.
  std::size_t last_request = 0;
  for (std::size_t at = 0; at < buffer_.size();) {
    nlmsghdr header;
    std::memcpy(&header, buffer_.data() + at, sizeof header);
    last_request = at;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  nlmsghdr header;
  std::memcpy(&header, buffer_.data() + last_request, sizeof header);
  header.nlmsg_flags |= NLM_F_ACK;
  std::memcpy(buffer_.data() + last_request, &header, sizeof header);
  const std::size_t last = descriptions_.size() - 1;
  append_marker(NFNL_MSG_BATCH_END);
  TOWPATH_TRY_STATUS(socket_.make_room_to_send(buffer_.size()));
  TOWPATH_TRY_STATUS(socket_.send(buffer_));
  Error first;
  for (bool done = false; !done;) {
    TOWPATH_TRY(auto datagram, socket_.receive_answer());
    while (const auto message = next_message(datagram)) {
      const std::uint32_t index = message->header.nlmsg_seq - first_sequence_;
      if (index >= descriptions_.size() || message->header.nlmsg_type != NLMSG_ERROR) continue;
      const KernelAnswer answer = read_answer(*message);
      if (answer.sys_errno != 0 && first.message.empty()) first = make_error(answer, descriptions_[index]);
      done |= index == last || (index == 0 && answer.sys_errno != 0);
    }
  }
  buffer_.clear();
  descriptions_.clear();
  append_marker(NFNL_MSG_BATCH_BEGIN);
  if (!first.message.empty()) return std::unexpected(std::move(first));
  return {};
}

}  // namespace towpath::netlink
