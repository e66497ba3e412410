<?php
# The wiki of a garden club.
if ( !defined( 'MEDIAWIKI' ) ) {
	exit;
}
$wgSitename = 'Garden Club';
$wgMetaNamespace = 'Garden_Club';
$wgServer = getenv( 'WIKI_SERVER' );
$wgScriptPath = '';
$wgResourceBasePath = $wgScriptPath;

$wgDBtype = 'postgres';
$wgDBserver = 'postgres';
$wgDBname = 'wiki';
$wgDBuser = 'wiki';
$wgDBpassword = getenv( 'WIKI_DB_PASSWORD' );
$wgDBport = '5432';
$wgDBmwschema = 'mediawiki';

$wgMainCacheType = CACHE_ACCEL;
$wgSessionCacheType = CACHE_DB;
$wgCacheDirectory = '/tmp/wiki';
$wgLocalisationCacheConf['store'] = 'array';
$wgJobRunRate = 0;
$wgPingback = false;

$wgEnableUploads = true;
$wgLanguageCode = 'en';
$wgSecretKey = getenv( 'WIKI_SECRET_KEY' );
$wgAuthenticationTokenVersion = '1';
$wgEnableEmail = false;
$wgGroupPermissions['*']['edit'] = false;
$wgGroupPermissions['*']['createaccount'] = false;

$wgDefaultSkin = 'vector-2022';
wfLoadSkin( 'Vector' );
wfLoadSkin( 'MonoBook' );
wfLoadSkin( 'Timeless' );
wfLoadExtension( 'Cite' );
wfLoadExtension( 'Nuke' );
wfLoadExtension( 'ParserFunctions' );
wfLoadExtension( 'WikiEditor' );
