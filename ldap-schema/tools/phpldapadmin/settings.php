<?php
/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * settings.php - phpLDAPadmin as a self-service tool for outgate's users.
 *
 * For the end of /etc/phpldapadmin/config.php, in front of "?>":
 *
 *	require '/usr/share/outgate/tools/phpldapadmin/settings.php';
 *
 * The server itself is declared before, as always, but by another name:
 *
 *	$servers->newServer('outgate_ldap');
 */

/* People log in with the name they know. */
$servers->setValue('login', 'attr', 'uid');
$servers->setValue('login', 'anon_bind', false);

/* These forms and no others: the files custom_*.xml.  Administrators who work
 * with the same phpLDAPadmin leave the first two out. */
$config->custom->appearance['custom_templates_only'] = true;
$config->custom->appearance['disable_default_template'] = true;
$config->custom->appearance['hide_template_regexp'] = true;

/* A link to the new entry, which then has its form and not phpLDAPadmin's. */
$config->custom->appearance['action_after_creation'] = 0;

/* Attributes have no schema names and numbers for users. */
$config->custom->appearance['show_schema_link'] = false;

/* A page between "Update Object" and the directory would show attributes by
 * the schema's names. */
$config->custom->confirm['create'] = false;
$config->custom->confirm['update'] = false;
