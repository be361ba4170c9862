/**
 * Parameters of Postfix that have no counterpart because there is nothing to say: processes, queues and files of its own,
 * things that are always so here. Non-job: parameters that a person has to decide about.
 */

const NAMES = new Set((
  "alias_database allow_percent_hack append_at_myorigin append_dot_mydomain biff bounce_template_file command_directory " +
  "compatibility_level config_directory daemon_directory daemon_timeout data_directory debugger_command default_database_type " +
  "default_privs delay_logging_resolution_limit enable_long_queue_ids export_environment html_directory import_environment inet_protocols " +
  "initial_destination_concurrency in_flow_delay ipc_timeout lmtp_tls_loglevel local_destination_concurrency_limit " +
  "mail_name mail_owner mail_version mailbox_size_limit mailq_path maillog_file manpage_directory max_idle max_use meta_directory " +
  "multi_instance_directories multi_instance_enable mydomain newaliases_path notify_classes parent_domain_matches_subdomains " +
  "proxy_read_maps queue_directory queue_run_delay readme_directory recipient_delimiter sample_directory sendmail_path setgid_group " +
  "shlib_directory show_user_unknown_table_name smtp_skip_5xx_greeting smtp_tls_CAfile smtp_tls_CApath smtp_tls_loglevel " +
  "smtp_tls_note_starttls_offer smtp_tls_session_cache_database smtp_use_tls smtputf8_enable smtpd_banner smtpd_delay_reject " +
  "smtpd_error_sleep_time smtpd_helo_required smtpd_soft_error_limit smtpd_tls_CApath smtpd_tls_auth_only smtpd_tls_ciphers " +
  "smtpd_tls_dh1024_param_file smtpd_tls_loglevel smtpd_tls_mandatory_ciphers smtpd_tls_protocols smtpd_tls_received_header " +
  "smtpd_tls_session_cache_database smtpd_tls_session_cache_timeout smtpd_use_tls smtp_tls_protocols smtp_tls_mandatory_protocols " +
  "strict_rfc821_envelopes swap_bangpath syslog_facility syslog_name tls_random_source tls_preempt_cipherlist tls_medium_cipherlist " +
  "tls_ssl_options unknown_local_recipient_reject_code unknown_address_reject_code unknown_client_reject_code unknown_hostname_reject_code " +
  "unverified_recipient_reject_code unverified_sender_reject_code address_verify_map virtual_gid_maps virtual_minimum_uid " +
  "virtual_uid_maps virtual_mailbox_limit smtpd_sasl_local_domain smtpd_sasl_security_options smtpd_sasl_tls_security_options " +
  "smtpd_sasl_authenticated_header broken_sasl_auth_clients smtp_sasl_security_options smtp_sasl_tls_security_options smtp_sasl_type " +
  "smtp_sasl_mechanism_filter milter_protocol milter_mail_macros milter_connect_macros smtpd_discard_ehlo_keyword_address_maps " +
  "smtp_host_lookup disable_dns_lookups smtpd_peername_lookup smtpd_forbid_bare_newline smtpd_forbid_bare_newline_exclusions " +
  "smtpd_forbid_unauth_pipelining smtpd_data_restrictions anvil_rate_time_unit anvil_status_update_time authorized_mailq_users " +
  "authorized_flush_users postscreen_cache_map address_verify_negative_cache tlsproxy_tls_session_cache_database myhostname virtual_alias_expansion_limit " +
  "virtual_alias_recursion_limit always_add_missing_headers local_header_rewrite_clients remote_header_rewrite_domain " +
  "smtp_tls_wrappermode smtpd_tls_wrappermode allow_mail_to_commands allow_mail_to_files milter_macro_daemon_name smtpd_client_event_limit_exceptions"
).split(" "));

/** Nothing has to be done about a parameter of this name. */
export function meansNothing(name: string): boolean {
  return NAMES.has(name);
}
