#include "agent/service/notifier.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <ctime>

namespace towpath::agent {
namespace {

constexpr int kKeepEnvironment = 0;

void notify(const std::string& state) {
  sd_notify(kKeepEnvironment, state.c_str());
}

}  // namespace

void Notifier::ready(const std::string& status) {
  last_status_ = status;
  notify(fmt::format("READY=1\nSTATUS={}", status));
}

void Notifier::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  notify(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

void Notifier::stopping() {
  notify("STOPPING=1");
}

void Notifier::status(const std::string& text) {
  if (text == last_status_) return;
  last_status_ = text;
  notify("STATUS=" + text);
}

}  // namespace towpath::agent
