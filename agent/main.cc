// towpathd: the Towpath agent. Joins the parts; what they do is theirs.
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <variant>

#include "agent/agent.h"
#include "agent/config/parse_config.h"
#include "agent/log/log.h"
#include "agent/service/arguments.h"
#include "agent/service/exit_code.h"
#include "agent/service/instance_lock.h"
#include "agent/service/notifier.h"
#include "towpath/ipam/store_guard.h"

namespace towpath::agent {
namespace {

// The whole new file, or nothing of it.
void reload(Agent& agent, const std::string& path, Log& log, Notifier& notifier) {
  notifier.reloading();
  const auto refuse = [&](const ConfigErrors& errors) {
    for (const std::string& error : errors) log.error("configuration", {{"error", error}});
    log.error("the configuration is refused; the old one stays in force");
    agent.count_refused_reload();
  };
  const auto next = load_config(path);
  if (!next) {
    refuse(next.error());
  } else if (const auto fixed = needs_restart(agent.config(), *next, path); !fixed.empty()) {
    refuse(fixed);
  } else if (const auto reloaded = agent.reload(*next); !reloaded) {
    refuse({fmt::format("{}: {}", path, reloaded.error().message)});
  } else {
    log.info("the new configuration is in force");
  }
  notifier.ready(agent.summary());
}

// SIGHUP reloads; SIGTERM and SIGINT end the loop.
class SignalWatch {
 public:
  SignalWatch(boost::asio::io_context& loop, Agent& agent, std::string config_path, Log& log,
              Notifier& notifier)
      : loop_(loop),
        signals_(loop, SIGHUP, SIGTERM, SIGINT),
        agent_(agent),
        config_path_(std::move(config_path)),
        log_(log),
        notifier_(notifier) {
    wait();
  }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& ec, int signal) {
      if (ec) return;
      if (signal == SIGHUP) {
        reload(agent_, config_path_, log_, notifier_);
        wait();
        return;
      }
      log_.info("towpathd ends; routes stay", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      notifier_.stopping();
      agent_.stop();
      loop_.stop();
    });
  }

  boost::asio::io_context& loop_;
  boost::asio::signal_set signals_;
  Agent& agent_;
  std::string config_path_;
  Log& log_;
  Notifier& notifier_;
};

int run(const Arguments& arguments) {
  const auto config = load_config(arguments.config_path);
  if (!config) {
    for (const std::string& error : config.error()) fmt::print(stderr, "{}\n", error);
    return kExitError;
  }
  if (arguments.check_config) {
    fmt::print("{}: valid\n", arguments.config_path);
    return kExitOk;
  }

  Log log(config->log);
  const auto lock = InstanceLock::acquire(config->state_dir);
  if (!lock) {
    log.error("cannot start", {{"reason", lock.error().message}});
    return kExitError;
  }
  log.info("towpathd starts", {{"version", TOWPATH_VERSION},
                               {"node", config->node},
                               {"router_id", config->speaker.router_id.to_string()},
                               {"as", config->speaker.as.value}});
  Notifier notifier;
  boost::asio::io_context loop(1);
  const auto agent = Agent::start(loop, *config, log, notifier);
  if (!agent) {
    log.error("cannot start", {{"reason", agent.error().message}});
    return kExitError;
  }
  const SignalWatch signals(loop, **agent, arguments.config_path, log, notifier);
  notifier.ready((*agent)->summary());
  loop.run();
  return kExitOk;
}

}  // namespace
}  // namespace towpath::agent

int main(int argc, char** argv) {
  // A client or a log reader that went away shows as an error of the write.
  std::signal(SIGPIPE, SIG_IGN);
  towpath::ipam::end_with_words_on_damage();
  // Until SignalWatch listens; the configuration is being read in any case.
  std::signal(SIGHUP, SIG_IGN);
  const auto parsed = towpath::agent::parse_arguments(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  return towpath::agent::run(std::get<towpath::agent::Arguments>(parsed));
}
