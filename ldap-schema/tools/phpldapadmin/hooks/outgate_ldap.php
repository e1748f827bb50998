<?php
/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * outgate_ldap.php - a directory server of phpLDAPadmin's, for outgate's forms.
 *
 * phpLDAPadmin replaces the list of an entry's classes by that of the form.
 * The directory lets no user replace it, only add and remove the class that
 * outgate needs; and no form can know which other classes an entry has.  So
 * what a form of outgate's saves is outgate's attributes and that class.  All
 * other forms save as they always did.
 *
 * What the directory says about a value it refuses is shown: phpLDAPadmin
 * shows the kind of the error only.
 *
 * It mends two faults of phpLDAPadmin's on the way, each told where it is.
 *
 * It lies in hooks/classes, where phpLDAPadmin finds it by its name.
 */
class outgate_ldap extends ldap_pla {
	const FORMS = 'custom_outgate';
	const A_CLASS = 'outgateAccount';

	public function getErrorMessage($method = null) {
		$text = parent::getErrorMessage($method);
		$more = '';
		ldap_get_option($this->connect($method),
			LDAP_OPT_DIAGNOSTIC_MESSAGE, $more);
		return $more ? $text . ': ' . htmlspecialchars($more) : $text;
	}

	/* phpLDAPadmin 1.2.6.3 keeps name and password encrypted for a session,
	 * in a form that it cannot take apart again in one of 256 cases; every
	 * page of that session is an error then.  Another attempt has another
	 * random part. */
	protected function setLogin($user, $pass, $method = null) {
		$method = $this->getMethod($method);
		do {
			$done = parent::setLogin($user, $pass, $method);
			$kept = $_SESSION['USER'][$this->index][$method] ??
				array();
		} while (! self::is_whole($kept['name'] ?? '') ||
			! self::is_whole($kept['pass'] ?? ''));
		return $done;
	}

	/* Can blowfish_decrypt() read this? */
	public static function is_whole($kept) {
		$parts = explode('::', base64_decode($kept), 3);
		return count($parts) < 3 ||
			strlen($parts[1]) ==
			openssl_cipher_iv_length(SESSION_CIPHER);
	}

	/* phpLDAPadmin remembers with the entries of its tree which form is in
	 * use, and "add value" fails for an entry that nobody has unfolded. */
	public function dnExists($dn, $method = null) {
		$found = parent::dnExists($dn, $method);
		$tree = get_cached_item($this->index, 'tree');
		if ($found && $tree && ! $tree->getEntry($dn))
			$tree->addEntry($dn);
		return $found;
	}

	public function modify($dn, $attrs, $method = null) {
		$form = (string)get_request('template', 'REQUEST');
		if (strncmp($form, self::FORMS, strlen(self::FORMS)) != 0)
			return parent::modify($dn, $attrs, $method);

		$add = $remove = false;
		if (isset($attrs['objectclass'])) {
			$had = $this->has_class($dn, $method);
			$wants = in_array_ignore_case(self::A_CLASS,
				$attrs['objectclass']);
			$add = $wants && ! $had;
			$remove = $had && ! $wants;
		}
		foreach (array_keys($attrs) as $name)
			if (strncasecmp($name, 'outgate', 7) != 0)
				unset($attrs[$name]);
		/* phpLDAPadmin cannot know of it: nobody reads a password. */
		if ($remove)
			$attrs['outgatepassword'] = array();

		/* The class alone means nothing, so between two of these steps
		 * an entry is never half of something. */
		$class = array('objectClass' => self::A_CLASS);
		$ldap = $this->connect($method);
		$done = (! $add || @ldap_mod_add($ldap, $dn, $class)) &&
			(! $attrs || @ldap_mod_replace($ldap, $dn, $attrs)) &&
			(! $remove || @ldap_mod_del($ldap, $dn, $class));
		if ($done)
			$said = array('title' => 'Saved',
				'body' => 'Your settings have been saved.',
				'type' => 'info');
		else
			$said = array(
				'title' => 'Your settings have not been saved.',
				'body' => $this->getErrorMessage($method),
				'type' => 'error');
		system_message($said);
		return $done;
	}

	/* Does the entry have outgate's class? */
	private function has_class($dn, $method) {
		foreach ($this->getDNAttrValues($dn, $method, LDAP_DEREF_NEVER,
			array('objectClass'), true) as $name => $values)
			if (strcasecmp($name, 'objectclass') == 0)
				return in_array_ignore_case(self::A_CLASS,
					$values);
		return false;
	}
}
?>
