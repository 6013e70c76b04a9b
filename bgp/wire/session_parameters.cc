#include "bgp/wire/session_parameters.h"

namespace towpath::bgp {

SessionParameters negotiate(const OpenMessage& sent, const OpenMessage& received) {
  const Capabilities& ours = sent.capabilities;
  const Capabilities& theirs = received.capabilities;
  SessionParameters session;
  session.peer_type = sent.as == received.as ? PeerType::kInternal : PeerType::kExternal;
  session.four_octet_as = ours.four_octet_as.has_value() && theirs.four_octet_as.has_value();
  session.extended_next_hop = ours.extended_next_hop && theirs.extended_next_hop;
  // RFC 8654 section 4: we must take what we announced, whether or not the peer announced it, too. To send,
  // the peer's word would be enough; but FRR takes long messages only from a peer that announced them as
  // well, and answers with a NOTIFICATION.
  if (ours.extended_message) {
    session.max_receive = kMaxExtendedMessageSize;
    if (theirs.extended_message) session.max_send = kMaxExtendedMessageSize;
  }
  for (const Family family : kAllFamilies) {
    auto& parameters = session.families[index(family)];
    parameters.enabled = ours.speaks(family) && theirs.speaks(family);
    // RFC 7911 section 4: in force where one side sends and the other receives.
    const AddPathMode our_mode = ours.add_path[index(family)];
    const AddPathMode their_mode = theirs.add_path[index(family)];
    parameters.add_path_receive = receives(our_mode) && sends(their_mode);
    parameters.add_path_send = sends(our_mode) && receives(their_mode);
  }
  return session;
}

}  // namespace towpath::bgp
