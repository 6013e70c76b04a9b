// A speaker's observer for tests that ask the speaker and are told nothing.
#pragma once

#include "towpath/bgp/speaker.h"

namespace towpath::test {

class SilentObserver final : public bgp::SpeakerObserver {
  void routes_changed(std::span<const bgp::RibDelta>) override {}
  void peer_state_changed(const bgp::PeerStateChange&) override {}
  void session_ended(std::string_view, std::string_view) override {}
  void message_problem(std::string_view, std::string_view) override {}
  void connection_refused(const IpAddress&, std::string_view) override {}
  void peer_in_sync(std::string_view) override {}
  void speaker_in_sync() override {}
};

}  // namespace towpath::test
