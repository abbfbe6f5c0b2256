"""Words that say nothing about a subject, per language: they tell languages apart and are no keywords."""

from typing import Final

from background.documents.characters import word_set

# For telling languages apart, the most frequent function words; lists chosen by hand.
LATIN: Final = {
    "en": word_set(
        """
        a about after again all also always an and any are as at be because been before being between both but by
        can cannot could did do does each either else even every few first for from get gets give given gives had
        has have he her here him his how however i if in instead into is it its itself just last less let like made
        make makes many may me more most much must my never new next no nor not nothing now of off often on once one
        only or other others our out over own same second see she should since so some something still such take
        takes than that the their them then there these they thing things this those three through to too two under
        until up us use used uses using very was way we were what when where whether which while who whole whom
        whose why will with within without would yet you your don't doesn't isn't can't won't it's didn't that's
        dr mr mrs ms prof etc vs
        """
    ),
    "de": word_set(
        """
        aber alle als also am an auch auf aus bei bin bis das dass dem den denn der des die dies diese dieser doch
        dort du durch ein eine einem einen einer eines er es für hat haben hier ich ihr im in ist ja jede jeder kann
        kein keine man mehr mit muss nach nicht noch nun nur ob oder ohne schon sein sich sie sind so über um und
        uns unter vom von vor war waren was weil wenn wer werden wie wieder will wir wird wo zu zum zur zwischen
        """
    ),
    "fr": word_set(
        """
        a à alors au aucun aussi autre aux avec avant avoir bien ce cela ces cet cette chaque comme dans de des deux
        donc du elle elles en encore entre est et être fait il ils je jamais la le les leur leurs lui mais même moins
        ne nous non on ont ou où par pas peut plus pour quand que quel quelle qui sa sans se ses si son sont sous sur
        ta tous tout toute très tu un une vers voici vous y c'est d'un d'une l'on n'est qu'il s'il
        """
    ),
    "es": word_set(
        """
        a al algo antes aquí así aún cada como con cual cuando de del desde donde dos el él ella ellos en entre era
        es esa ese eso esta está este esto estos fue ha hace hasta hay la las le les lo los más me mi mientras muy
        nada ni no nos o otra otro para pero por porque puede que qué quien se sea ser si sí sin sobre son su sus
        también tan tiene todo todos tras tu un una uno unos y ya yo
        """
    ),
    "it": word_set(
        """
        a ad ai al alla alle anche ancora c'è che chi ci come con cosa così cui da dai dal dalla degli dei del della
        delle dello di dopo dove due e è ed era essere fra gli ha hanno i il in io la le lei li lo loro ma mai mi
        nei nel nella nelle no noi non nostro o ogni per perché più può prima quale quando quanto quella quello
        questa questo se senza si sia sono su sua sue sui sul sulla suo tra tutti tutto un una uno
        """
    ),
    "pt": word_set(
        """
        a à ao aos as às até cada com como da das de dela dele depois do dos e é ela ele eles em entre era essa esse
        esta está este eu foi há isso isto já lhe mais mas me mesmo meu muito na não nas nem no nos nós num numa o os
        ou para pela pelas pelo pelos pode por porque quando que quem se sem ser seu seus só são sobre sua suas
        também tem todo todos um uma você
        """
    ),
    "nl": word_set(
        """
        aan al alle als altijd bij dan dat de deze die dit doen door dus een elke en er geen had heb hebben heeft
        het hij hier hoe ik in is ja kan maar meer met mij mijn moet na naar niet niets nog nu of om omdat onder ons
        ook op over te tot toch uit van veel voor waar want waren was wat we wel werd wie worden wordt zal ze zich
        zij zijn zo zonder zou
        """
    ),
}

KOREAN: Final = word_set(
    """
    가장 같은 같이 거의 것 것은 것을 것이 경우 곧 그 그것 그대로 그래서 그러나 그러면 그런 그런데 그리고
    그때 나 나중 내 너 너무 누가 다 다른 다시 다음 단 대신 대한 대해 더 더는 덜 두 둘 된 뒤 등 따라
    따라서 따로 때 때문 때문에 또 또는 또한 마다 만약 만일 많은 많이 말 매우 먼저 모두 모든 못 무엇 물론
    및 바로 번 번째 보통 뿐 사이 서로 세 수 스스로 아니 아니라 아닌 아무 아주 아직 안 앞 어느 어디 어떤
    어떻게 언제 언제나 없는 없다 없이 여기 여러 역시 예를 오직 왜 우리 위 위한 위해 이 이것 이때 이런
    이미 있게 있는 있다 자기 자신 자주 잘 저 적어도 전 전혀 정말 제 제대로 조금 좀 즉 지금 직접 차례 채
    처음 첫 통해 하나 하나의 하는 하지만 한 한번 할 함께 항상 해 후 훨씬 들어 동안 만큼 대로 쪽 줄 점 데
    일
    """
)

ANY: Final = KOREAN.union(*LATIN.values())
