// Keeps the machine out of the experiment: everything runs in a child with its own mount and network
// namespace.
//
// Model
//   The supervisor forks a worker. The worker has a private mount namespace with a tmpfs at `scratch`, so the
//   sandboxes that are bind-mounted there, the host namespaces, and the state that plugins keep below it are
//   gone when the worker is, however it ends. The supervisor waits, passes SIGINT, SIGTERM and SIGHUP on (the
//   worker then ends after the requirement it is at, so that plugins can release what they keep elsewhere),
//   kills all that is left, and removes the scratch folder. A second signal, or ten seconds, end the worker
//   at once.
//
// Failure: without the rights to make namespaces there is one clear sentence and exit code 3.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "towpath/base/error.h"

namespace towpath::conformance {

// Runs `work` in the worker and returns its exit code (128 + signal when a signal ended the run). `hidden`
// folders are covered by an empty tmpfs there.
int run_isolated(const std::vector<std::string>& hidden,
                 const std::function<int(const std::string& scratch)>& work);

// Did someone ask this worker to end?
bool stop_requested();

// Moves this process into a fresh network namespace (prepare_namespace() of sandbox.h) with a /sys that shows
// it.
Status enter_fresh_host();

}  // namespace towpath::conformance
