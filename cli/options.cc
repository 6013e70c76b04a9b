#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "cli/exit_code.h"
#include "towpath/ipam/state_store.h"

namespace towpath::cli {
namespace {

constexpr const char* kFooter = R"(
Exit codes: 0 all is well, 1 an error, or a finding of ipam check or repair, 2 a wrong command line, 3 the agent is not reachable.
endpoints and ipam read the state of this host, and need no agent.)";

constexpr const char* kRoutesFooter = R"(
Flags: * best path, S stale (kept while its peer restarts), F filtered: not used (-o json has the reason);
#N is the path's identifier where a session has several paths of a prefix.
Examples: towpathctl routes 10.64.0.0/16            what lies inside this prefix
          towpathctl routes 10.64.1.7               which routes lead to this address
          towpathctl routes adj-rib-in --peer host-b
          towpathctl routes diff                    where the kernel is not as wanted
          towpathctl routes -o mrt > table.mrt      all paths as MRT (RFC 6396), for bgpdump and others)";

constexpr const char* kIpamFooter = R"(
Examples: towpathctl ipam                            the blocks of this host and their use
          towpathctl ipam show -v --block 10.64.1.0/26
          towpathctl ipam check                      exit code 0 if all is as it should be, 1 if not
          towpathctl ipam repair --apply             releases what containers that are gone held)";

constexpr const char* kPolicyFooter = R"(
Examples: towpathctl policy show
          towpathctl policy simulate 10.64.1.2 10.64.1.3 --port 5432)";

constexpr const char* kPolicyTestFooter = R"(
Says which rules the route meets and what comes of it; changes nothing.
Examples: towpathctl policy-test import tor-a 0.0.0.0/0 --as-path "65001 65002" --community 65001:7
          towpathctl policy-test export host-b 10.64.1.0/26      a route that this host has)";

constexpr const char* kAdvertiseFooter = R"(
Only prefixes inside `advertise_leases` of the configuration. Renew it well before it ends, and only while all is well:
  while curl -fs -m 2 http://192.0.2.80/health; do
    towpathctl advertise 192.0.2.80/32 --owner web --lease 10
    sleep 3
  done)";

std::string table_words() {
  std::string out;
  for (const auto& [word, table] : control::kRouteTables)
    out += out.empty() ? std::string(word) : fmt::format(", {}", word);
  return out;
}

// A word is the name of a table, a prefix or an address; which one shows by itself.
void take_route_word(const std::string& word, control::RouteQuery& query, bool& has_table) {
  if (const auto table = value_for(control::kRouteTables, word)) {
    if (std::exchange(has_table, true))
      throw CLI::ValidationError(fmt::format("'{}': one table at a time", word));
    query.table = *table;
    return;
  }
  if (query.prefix || query.address)
    throw CLI::ValidationError(fmt::format("'{}': one prefix or address at a time", word));
  if (const auto address = IpAddress::parse(word)) {
    query.address = *address;
  } else if (const auto prefix = Prefix::parse(word)) {
    query.prefix = *prefix;
  } else if (word.find('/') != std::string::npos) {
    throw CLI::ValidationError(prefix.error().message);
  } else {
    throw CLI::ValidationError(
        fmt::format("'{}' is no table ({}), no prefix and no address", word, table_words()));
  }
}

// A block, or an address of it.
std::string take_block(const std::string& word, std::optional<Prefix>& block) {
  if (const auto address = IpAddress::parse(word)) {
    block = Prefix::host(*address);
    return "";
  }
  const auto prefix = Prefix::parse(word);
  if (!prefix) return prefix.error().message;
  block = *prefix;
  return "";
}

// `ipam` alone is `ipam show`, so both have its options.
void add_view_options(CLI::App& command, IpamView& view) {
  command.add_flag("-v,--allocations", view.allocations, "each address, and who has it");
  command.add_flag("--resting", view.resting,
                   "each address that waits for its turn, and for how long it has");
  command
      .add_option_function<std::string>(
          "--block",
          [&view](const std::string& word) {
            if (const std::string error = take_block(word, view.block); !error.empty())
              throw CLI::ValidationError("--block", error);
          },
          "only what lies in this prefix, or in the block of this address")
      ->type_name("PREFIX|ADDRESS");
  command.add_option("--container", view.container, "only addresses of containers whose id begins so")
      ->type_name("ID");
}

CLI::App* add_release(CLI::App& ipam, IpamRelease& release) {
  CLI::App* command =
      ipam.add_subcommand("release", "gives back an address, and with it all of its container's interface");
  command
      ->add_option_function<std::string>(
          "ADDRESS",
          [&release](const std::string& word) {
            const auto address = IpAddress::parse(word);
            if (!address) throw CLI::ValidationError("ADDRESS", address.error().message);
            release.address = *address;
          },
          "the address")
      ->required();
  command->add_option("--container", release.container, "only if it is this container's")->type_name("ID");
  command->add_flag("--force", release.force, "also if its sandbox is alive, which is then cut off");
  return command;
}

// An option of `ipam` is of `ipam show` and of no other of its commands.
void refuse_misplaced(const CLI::App& ipam, const CLI::App& show) {
  for (const CLI::App* command : ipam.get_subcommands()) {
    if (command == &show) continue;
    for (const CLI::Option* option : ipam.get_options()) {
      if (option->count() > 0) {
        throw CLI::ValidationError(fmt::format("{}: an option of 'ipam show'", option->get_name()));
      }
    }
  }
}

// Reads a word by a parse function of base; its complaint ends the program.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App* app, const std::string& name, T& target, Parse parse,
                        const std::string& text) {
  return app->add_option_function<std::string>(
      name,
      [&target, parse](const std::string& word) {
        auto parsed = parse(word);
        if (!parsed) throw CLI::ValidationError(fmt::format("'{}': {}", word, parsed.error().message));
        target = *std::move(parsed);
      },
      text);
}

struct PolicyTestCommand {
  const CLI::App* app = nullptr;
  const CLI::App* export_app = nullptr;
};

PolicyTestCommand add_policy_test(CLI::App& app, control::PolicyTest& test) {
  CLI::App* command =
      app.add_subcommand("policy-test", "what a route would meet: rules, outcome, attributes");
  command->require_subcommand(1)->footer(kPolicyTestFooter);
  CLI::App* import = command->add_subcommand("import", "a route that the peer might announce");
  CLI::App* out = command->add_subcommand("export", "a route of this host, toward the peer");
  for (CLI::App* direction : {import, out}) {
    direction->fallthrough();
    direction->add_option("PEER", test.peer, "name of the peer")->required();
    add_parsed(
        direction, "PREFIX", test.prefix, [](const std::string& w) { return Prefix::parse(w); },
        "prefix of the route")
        ->required();
  }
  import->add_option("--as-path", test.as_path, "\"65001 65002 {65003 65004}\"; none if not given");
  import->add_option("--origin", test.origin, "igp (if not given), egp or incomplete")
      ->check(CLI::IsMember({"igp", "egp", "incomplete"}));
  add_parsed(
      import, "--next-hop", test.next_hop, [](const std::string& w) { return IpAddress::parse(w); },
      "the peer's address if not given");
  import->add_option("--med", test.med, "multi-exit discriminator");
  import->add_option("--local-pref", test.local_pref, "from internal peers only; others send none");
  import->add_option("--community", test.communities, "of any kind, as in rules; may be given several times")
      ->allow_extra_args(false);
  return {command, out};
}

struct PolicyCommands {
  const CLI::App* show = nullptr;
  const CLI::App* simulate = nullptr;
};

PolicyCommands add_policy(CLI::App& app, control::FlowQuestion& flow) {
  CLI::App* command = app.add_subcommand("policy", "network policies of the containers of this host");
  command->require_subcommand(1)->footer(kPolicyFooter);
  CLI::App* show = command->add_subcommand("show", "which policies isolate which container");
  CLI::App* simulate =
      command->add_subcommand("simulate", "what a flow would meet: verdict, policies, rules");
  for (CLI::App* one : {show, simulate}) one->fallthrough();
  const auto address = [](const std::string& w) { return IpAddress::parse(w); };
  add_parsed(simulate, "FROM", flow.from, address, "address of the sender")->required();
  add_parsed(simulate, "TO", flow.to, address, "address of the receiver")->required();
  add_parsed(
      simulate, "--protocol", flow.protocol,
      [](const std::string& w) -> Result<control::FlowProtocol> {
        if (const auto protocol = value_for(control::kFlowProtocols, w)) return *protocol;
        return fail(ErrorKind::kInvalid, "must be one of tcp, udp, sctp, icmp, icmpv6");
      },
      "tcp (if not given), udp, sctp, icmp or icmpv6");
  simulate->add_option("--port", flow.port, "of the receiver, behind any port mapping")
      ->check(CLI::Range(0, 65535));
  return {show, simulate};
}

struct LeaseCommands {
  const CLI::App* advertise = nullptr;
  const CLI::App* withdraw = nullptr;
  const CLI::App* advertised = nullptr;
};

LeaseCommands add_lease_commands(CLI::App& app, control::LeaseRequest& lease) {
  CLI::App* advertise =
      app.add_subcommand("advertise", "announces a prefix for a program, until its lease ends");
  CLI::App* withdraw = app.add_subcommand("withdraw", "ends a lease at once");
  for (CLI::App* command : {advertise, withdraw}) {
    add_parsed(
        command, "PREFIX", lease.prefix, [](const std::string& w) { return Prefix::parse(w); },
        "a service address as /32 or /128, or a range of them")
        ->required();
  }
  advertise->add_option("--owner", lease.owner, "who asks: the same name renews the lease")->required();
  advertise->add_option("--lease", lease.seconds, "seconds that it lasts unless it is renewed, 1 to 3600")
      ->required();
  withdraw->add_option("--owner", lease.owner, "only if it is this one's");
  advertise->footer(kAdvertiseFooter);
  return {advertise, withdraw,
          app.add_subcommand("advertised", "prefixes that this host announces beside its blocks")};
}

const CLI::App* add_drain(CLI::App& app, control::DrainRequest& drain) {
  CLI::App* command =
      app.add_subcommand("drain", "takes this host out of service; returns when that is done");
  command
      ->add_option("--wait", drain.wait,
                   "seconds for the peers to find other paths, before routes are withdrawn")
      ->capture_default_str();
  command->add_option("--reason", drain.reason, "what the peers are told (RFC 9003)");
  return command;
}

}  // namespace

std::variant<Options, int> parse_options(int argc, const char* const* argv) {
  Options options;
  options.socket = control::kDefaultSocketPath;
  options.state_dir = ipam::kDefaultStateDir;

  CLI::App app("towpathctl: asks the Towpath agent of this host, and its state on disk", "towpathctl");
  app.footer(kFooter);
  app.require_subcommand(0, 1);
  app.fallthrough();
  app.set_version_flag("--version", std::string("towpathctl ") + TOWPATH_VERSION);
  app.add_option("--socket", options.socket, "control socket of the agent")->capture_default_str();
  app.add_option("--state-dir", options.state_dir, "state directory of the agent and the plugins")
      ->capture_default_str();
  std::string format = "table";
  app.add_option("-o,--output", format, "table for people, json for scripts; mrt of routes, for bgpdump")
      ->check(CLI::IsMember({"table", "json", "mrt"}))
      ->capture_default_str();

  std::vector<std::string> words;
  std::string peer;
  CLI::App* routes = app.add_subcommand("routes", "routes of one table");
  routes
      ->add_option("TABLE|PREFIX|ADDRESS", words,
                   "a table (" + table_words() + "; loc-rib if not given), and a filter")
      ->expected(0, 2);
  const CLI::Option* peer_option =
      routes->add_option("--peer", peer, "only routes from this peer; in adj-rib-out: to it");
  routes->footer(kRoutesFooter);
  const CLI::App* peers = app.add_subcommand("peers", "BGP sessions");
  const CLI::App* bfd = app.add_subcommand("bfd", "BFD sessions, which watch the paths to the peers");
  const PolicyTestCommand policy_test = add_policy_test(app, options.policy_test);
  const PolicyCommands policy = add_policy(app, options.flow);
  const LeaseCommands leases = add_lease_commands(app, options.lease);
  const CLI::App* drain = add_drain(app, options.drain);
  const CLI::App* undrain = app.add_subcommand("undrain", "puts this host back into service");
  const CLI::App* status = app.add_subcommand("status", "is the agent well, and the kernel as it should be?");
  const CLI::App* version = app.add_subcommand("version", "version of this program and of the agent");
  const CLI::App* endpoints = app.add_subcommand("endpoints", "containers that are attached on this host");
  CLI::App* ipam = app.add_subcommand("ipam", "address blocks of this host and their use");
  ipam->footer(kIpamFooter);
  ipam->require_subcommand(0, 1);
  add_view_options(*ipam, options.ipam);
  CLI::App* ipam_show =
      ipam->add_subcommand("show", "blocks, their use, and who has which address (the default)");
  add_view_options(*ipam_show, options.ipam);
  const CLI::App* ipam_check =
      ipam->add_subcommand("check", "compares the state of this host with its kernel and its containers");
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();
  CLI::App* ipam_repair = ipam->add_subcommand(
      "repair", "what can be done safely about the findings of check: says it, and with --apply does it");
  ipam_repair->add_flag("--apply", options.apply, "do it");
  CLI::App* ipam_import =
      ipam->add_subcommand("import", "takes over the addresses that host-local has given in one network");
  ipam_import->add_option("DIR", options.import_from.folder, "its folder, such as /var/lib/cni/networks/NAME")
      ->required();
  ipam_import
      ->add_option("--network", options.import_from.network, "name of the network, if not that of the folder")
      ->type_name("NAME");
  const CLI::App* ipam_release = add_release(*ipam, options.release);

  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) throw CLI::ValidationError("a subcommand is missing");
    bool has_table = false;
    for (const std::string& word : words) take_route_word(word, options.routes, has_table);
    refuse_misplaced(*ipam, *ipam_show);
    options.routes.mrt = format == "mrt";
    if (options.routes.mrt && !routes->parsed())
      throw CLI::ValidationError("--output", "'mrt' is for routes only");
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kExitOk : kExitUsage;
  }
  options.format = format == "json" ? Format::kJson : format == "mrt" ? Format::kMrt : Format::kTable;
  if (peer_option->count() > 0) options.routes.peer = peer;
  if (policy_test.export_app->parsed()) options.policy_test.direction = control::Direction::kExport;
  const std::pair<const CLI::App*, Action> actions[] = {{routes, Action::kRoutes},
                                                        {peers, Action::kPeers},
                                                        {bfd, Action::kBfd},
                                                        {policy_test.app, Action::kPolicyTest},
                                                        {policy.show, Action::kPolicyShow},
                                                        {policy.simulate, Action::kPolicySimulate},
                                                        {leases.advertise, Action::kAdvertise},
                                                        {leases.withdraw, Action::kWithdraw},
                                                        {leases.advertised, Action::kAdvertised},
                                                        {drain, Action::kDrain},
                                                        {undrain, Action::kUndrain},
                                                        {status, Action::kStatus},
                                                        {version, Action::kVersion},
                                                        {endpoints, Action::kEndpoints},
                                                        {ipam, Action::kIpamShow},
                                                        {ipam_check, Action::kIpamCheck},
                                                        {ipam_release, Action::kIpamRelease},
                                                        {ipam_repair, Action::kIpamRepair},
                                                        {ipam_import, Action::kIpamImport}};
  for (const auto& [command, action] : actions) {
    if (command->parsed()) options.action = action;
  }
  return options;
}

}  // namespace towpath::cli
