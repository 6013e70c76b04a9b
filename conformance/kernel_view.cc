#include "conformance/kernel_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>

#include "conformance/process.h"

namespace towpath::conformance {
namespace {

using nlohmann::json;

std::map<std::string, std::string> plain_environment() {
  const char* path = std::getenv("PATH");
  return {{"PATH", path == nullptr ? "/usr/sbin:/usr/bin:/sbin:/bin" : path}, {"LC_ALL", "C"}};
}

Command ip_command(std::vector<std::string> words, const std::string& netns) {
  words.insert(words.begin(), {"ip", "-j"});
  return {std::move(words), plain_environment(), "", netns};
}

json parsed(const Finished& done) {
  json document = json::parse(done.out, nullptr, false);
  return document.is_array() ? document : json::array();
}

bool is_link_local(const std::string& address) {
  return address.starts_with("fe80:");
}

// Routes that the kernel keeps for itself.
bool is_kernels_own(const json& route) {
  static const std::set<std::string> types{"local", "broadcast", "multicast", "anycast"};
  const std::string destination = text_at(route, "dst");
  return types.contains(text_at(route, "type")) || text_at(route, "table") == "local" ||
         is_link_local(destination) || destination.starts_with("ff00::") || text_at(route, "dev") == "lo";
}

std::string full_destination(std::string destination, bool is_v6) {
  if (destination == "default") return is_v6 ? "::/0" : "0.0.0.0/0";
  if (!destination.contains('/')) destination += is_v6 ? "/128" : "/32";
  return destination;
}

std::string kind_of(const json& link) {
  return text_at(object_at(link, "linkinfo"), "info_kind");
}

}  // namespace

std::string text_at(const json& object, std::string_view key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

const json& list_at(const json& object, std::string_view key) {
  static const json empty = json::array();
  if (!object.is_object()) return empty;
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : empty;
}

const json& object_at(const json& object, std::string_view key) {
  static const json empty = json::object();
  if (!object.is_object()) return empty;
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : empty;
}

std::string difference(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> added, missing, words;
  std::ranges::set_difference(b, a, std::back_inserter(added));
  std::ranges::set_difference(a, b, std::back_inserter(missing));
  for (const auto& line : added) words.push_back("+ " + line);
  for (const auto& line : missing) words.push_back("- " + line);
  return fmt::format("{}", fmt::join(words, "; "));
}

KernelView KernelView::read(const std::string& netns) {
  std::vector<Command> commands{ip_command({"-d", "address", "show"}, netns),
                                ip_command({"-4", "route", "show", "table", "all"}, netns),
                                ip_command({"-6", "route", "show", "table", "all"}, netns),
                                ip_command({"neighbour", "show", "nud", "permanent"}, netns)};
  if (netns.empty())
    commands.push_back({{"nft", "-s", "-n", "list", "ruleset"}, plain_environment(), "", ""});
  const auto done = run_all(commands);
  KernelView view;
  view.links_ = parsed(done[0]);
  view.add_links();
  view.add_routes(parsed(done[1]), false);
  view.add_routes(parsed(done[2]), true);
  for (const auto& neighbour : parsed(done[3])) {
    view.lines_.insert(fmt::format("neighbour {} dev {} lladdr {}", text_at(neighbour, "dst"),
                                   text_at(neighbour, "dev"), text_at(neighbour, "lladdr")));
  }
  if (netns.empty() && done[4].exit_code == 0) {
    // Only rules count: an empty table or chain that a tool makes once on a host belongs to no attachment.
    std::size_t begin = 0;
    const std::string& text = done[4].out;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string line = text.substr(begin, end - begin);
      line.erase(0, line.find_first_not_of(" \t"));
      if (!line.empty() && line != "}" && !line.starts_with("table ") && !line.starts_with("type ")) {
        view.rules_.insert(line);
        view.lines_.insert("rule " + line);
      }
      begin = end + 1;
    }
  }
  return view;
}

void KernelView::add_links() {
  for (const auto& each : links_) {
    const std::string name = text_at(each, "ifname");
    if (name == "lo") continue;
    const std::string kind = kind_of(each);
    const bool has_own_mac = kind != "bridge";
    lines_.insert(fmt::format("link {} {} {} mtu {} mac {} master {}", name, kind,
                              is_up(name) ? "up" : "down", each.value("mtu", 0),
                              has_own_mac ? text_at(each, "address") : "", text_at(each, "master")));
    for (const auto& address : addresses(name))
      lines_.insert(fmt::format("address {} dev {}", address, name));
  }
}

void KernelView::add_routes(const json& routes, bool is_v6) {
  for (const auto& each : routes) {
    if (is_kernels_own(each)) continue;
    Route route{full_destination(text_at(each, "dst"), is_v6), text_at(each, "gateway"), text_at(each, "dev"),
                is_v6};
    std::string table = text_at(each, "table");
    lines_.insert(fmt::format("route {} {} via {} dev {} table {}", text_at(each, "type"), route.destination,
                              route.gateway, route.device, table.empty() ? "main" : table));
    routes_.push_back(std::move(route));
  }
}

const json* KernelView::link(std::string_view name) const {
  for (const auto& each : links_) {
    if (text_at(each, "ifname") == name) return &each;
  }
  return nullptr;
}

std::vector<std::string> KernelView::link_names() const {
  std::vector<std::string> names;
  for (const auto& each : links_) {
    if (text_at(each, "ifname") != "lo") names.push_back(text_at(each, "ifname"));
  }
  return names;
}

bool KernelView::is_up(std::string_view name) const {
  const json* found = link(name);
  if (found == nullptr) return false;
  return std::ranges::any_of(list_at(*found, "flags"), [](const json& flag) { return flag == "UP"; });
}

std::string KernelView::mac(std::string_view name) const {
  const json* found = link(name);
  return found == nullptr ? std::string{} : text_at(*found, "address");
}

std::vector<std::string> KernelView::addresses(std::string_view name, bool all) const {
  std::vector<std::string> result;
  const json* found = link(name);
  if (found == nullptr) return result;
  for (const auto& info : list_at(*found, "addr_info")) {
    const std::string address = text_at(info, "local");
    if (address.empty() || (is_link_local(address) && !all)) continue;
    result.push_back(fmt::format("{}/{}", address, info.value("prefixlen", 0)));
  }
  return result;
}

std::string KernelView::change_to(const KernelView& after) const {
  return difference(lines_, after.lines_);
}

}  // namespace towpath::conformance
