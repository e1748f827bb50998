/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef OG_TESTS_SEALED_SAMPLE_H
#define OG_TESTS_SEALED_SAMPLE_H

/*
 * sealed_sample.h - a sealed value of the right shape, for tests that do not
 * open it: made with "openssl cms -encrypt -binary -aes-256-gcm -keyopt
 * ecdh_kdf_md:sha256" for a key that has been thrown away.
 */
#define SEALED_SAMPLE \
	"{CMS}MIIDKQYLKoZIhvcNAQkQARegggMYMIIDFAIBADGByaGBxgIBA6BRoU8wCQYHK" \
	"oZIzj0CAQNCAARdHe1B1NkYA5gTHiHKoMEJV1EgWz9UnTiDX+J9dyVUjmQ5HEhJsjP" \
	"e/hAv63jd2o7mTmrq+Tp68kj9VzrY3fSUMBUGBiuBBAELATALBglghkgBZQMEAS0wV" \
	"zBVMCkwETEPMA0GA1UEAwwGc2FtcGxlAhRxXzN5vX+DiCHuuVjpiiupJEtHZgQoDSM" \
	"TxPeiGWAdZOaJphcK9ZP3A/juPJTIHxn5g9rwRfapH5lSbpkjzjCCAi8GCSqGSIb3D" \
	"QEHATAeBglghkgBZQMEAS4wEQQMr249gF+kWtAOOTpSAgEQgIICAJ/kZ7Xl/mi0sy5" \
	"YJ+J6/ZZcDPVMifsoHYtgcg0ZFLX3EFnMmMmfnr6yBk1zl9CaDGt3qolDarSbRmKuR" \
	"3OcS96A6NCJJ1OVcu4Ew3odTmH/hLVaLVxKcord35W/pxgbkd8WPSpZp4mHXOOcUAa" \
	"uExLAmSabAAbpmGFQEQMuV5N48ZvK0QdafolAqXMhfWCGM7ZroznAvwdz+pbA2pip2" \
	"l6hdz3aG1MN5hUifnWc9QDxqpSqa7bXTdDquAP4w/8/+TYyAXAMJb4073vtTSqu5KX" \
	"CuWbU2kkBsuEZa2NaRnkXAUbTZ60iK1uFXfWYjRE8RE1lcoR9QV3t7W/kCppBh/wmP" \
	"wtM6yLix4+oRJoc4yCGc+oDZf7fbRT0xuwUuRkBLIF9QnBudXEareevWDU0Tm2eEPm" \
	"54ZNhfbWDUPlEF5v6EappdJ8gLU8kYhdFA/z8Dk3uODcPoD04uV422E+O/A6oQQc6u" \
	"H11ZcMfUa3z4Wch3oAKVaTZs9lbHXSFE1ODd6P1azrwPIfx3KqnfPk8wQB8hkyRiMN" \
	"CZnBgC0oq8wA1B/LtHDPosEvTCC08N0fWPHzUgJKXKAKrXQlipoiRefgwxTRv1Z61x" \
	"xzegGqFHAkv5ZqUFpYxmucvW1YiQhVrBtNBTnTqyTVLEF5qDZpgZKQ6j6pCkZ86Obc" \
	"7b6DL/uZvBBAIY1KLLrb3ZSLBeDDzYg/7"

#endif
