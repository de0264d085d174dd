// Package metrics counts what a server or a gateway does, for Prometheus.
//
// The names begin with draftwire_, times are in seconds and sizes in bytes. Observer returns
// an observer for the Options of a server. The library does not see the messages, backends
// and configuration of a program, so the program reports them with the other methods.
//
// Every label has a bounded set of values. A value that a peer chooses, for example a close
// code or a version, is counted under its own name only if this package knows it, and
// otherwise under a class of its kind, "other" or "unknown". Values that the program chooses,
// for example routes, are kept as they are, up to a limit for each label. A client's address
// is never a label.
//
//	draftwire_build_info{version,goversion}                           1
//	draftwire_connections{listener,draft,tls}                         open now
//	draftwire_handshakes_total{listener,draft,result}                 accepted, refused, silent
//	draftwire_handshake_failures_total{listener,draft,reason}         the reasons of package wire, tls_...
//	draftwire_handshake_duration_seconds{draft}                       histogram, of those accepted
//	draftwire_messages_total{draft,direction,type}
//	draftwire_message_bytes_total{draft,direction}
//	draftwire_message_size_bytes{direction}                           histogram
//	draftwire_closes_total{draft,code,initiator}                      initiator local, peer or none
//	draftwire_connection_duration_seconds{draft}                      histogram
//	draftwire_tls_connections_total{version,cipher}
//	draftwire_tls_profile{listener,profile}                           1 for the profile in use
//	draftwire_tolerated_total{tolerance}
//	draftwire_losses_total{loss}                                      lost or changed between two versions
//	draftwire_limit_rejections_total{limit}
//	draftwire_backend_connections{route,backend}                      open now
//	draftwire_backend_up{route,backend}                               1 or 0
//	draftwire_backend_dial_failures_total{route,reason}
//	draftwire_mirror_answers_total{route,result}                      equal, different, missing, more, not_compared
//	draftwire_mirror_connections_total{route,result}                  opened, refused, failed, closed, overrun, skipped
//	draftwire_mirror_up{route}                                        1 or 0
//	draftwire_rooms{route}                                            with members in this process
//	draftwire_room_members{route}                                     now
//	draftwire_room_members_lagging{route}                             that have not taken what they were sent
//	draftwire_room_upstreams{route}                                   rooms whose connection to the backend is here
//	draftwire_room_deliveries_total{route,result}                     of messages to members: delivered, missed, unsupported
//	draftwire_room_messages_total{route,result}                       of backends: published, unpublished; of members: heard, unheard, ignored
//	draftwire_room_disconnects_total{route}                           members that were too slow
//	draftwire_hub_up                                                  1 or 0; missing without a hub of NATS
//	draftwire_http_requests_total{listener,route,status}              ordinary ones; status 2xx and so on, or none
//	draftwire_http_failures_total{route,reason}                       that the gateway refused or broke off
//	draftwire_http_request_duration_seconds{route}                    histogram
//	draftwire_http_requests_in_flight{listener}
//	draftwire_backend_tolerated_total{route,tolerance}
//	draftwire_ledger_failing                                          1 while the ledger's file cannot be written
//	draftwire_fleet_gateways                                          that are there; 0: this one is in no fleet
//	draftwire_fleet_up                                                1 while they can be reached
//	draftwire_fleet_plan                                              the number of the fleet's plan of versions
//	draftwire_fleet_report_timestamp_seconds                          when the ledger was last stored for the fleet
//	draftwire_log_lines_lost_total                                    lines that nobody read in time
//	draftwire_config_reloads_total{result}                            ok, failed
//	draftwire_config_last_reload_success_timestamp_seconds
//	draftwire_upgrades_total{result}                                  ok, failed
//	draftwire_generations                                             1, and what upgrades have replaced
//	draftwire_max_connections
//	draftwire_draft_last_seen_timestamp_seconds{draft}
//	draftwire_draft_retire_timestamp_seconds{draft}
//	draftwire_draft_distinct_clients{draft,window}
package metrics
