// towpathctl: shows what the agent of this host knows, and what is attached here.
#include <csignal>
#include <cstdio>
#include <variant>

#include "cli/options.h"
#include "cli/run.h"
#include "towpath/ipam/store_guard.h"

int main(int argc, char** argv) {
  // A reader that leaves shows as EPIPE from the write, where it can be told from other trouble.
  std::signal(SIGPIPE, SIG_IGN);
  towpath::ipam::end_with_words_on_damage();
  const auto parsed = towpath::cli::parse_options(argc, argv);
  if (const int* code = std::get_if<int>(&parsed)) return *code;
  return towpath::cli::run(std::get<towpath::cli::Options>(parsed), stdout, stderr);
}
